/* SPDX-License-Identifier: MIT */
/* DEFLATE (RFC 1951) in gzip's wrapping (RFC 1952).
 *
 * Codes of up to FAST_BITS bits are found in one table look-up; longer ones by the canonical rule:
 * the codes of one length are consecutive numbers, so counting codes per length is enough to
 * decode. Bits come from a 64-bit reservoir. Nothing trusts the input: every symbol, distance and
 * length is checked before it is used, and running out of input is an error at one place, need().
 */
#include "inflate.h"
#include "slab.h"

#define WINDOW    32768U
#define FAST_BITS 9
#define MAX_BITS  15
#define LITLENS   288
#define DISTS     30

struct huffman {
	uint16_t fast[1 << FAST_BITS]; /* symbol << 4 | length; 0: longer, or no code */
	uint16_t count[MAX_BITS + 1];  /* codes of each length */
	uint16_t symbol[LITLENS];      /* in the order of their codes */
};

struct inflate {
	const uint8_t *in;
	size_t n, pos;
	uint64_t bits;
	unsigned nbits;
	uint64_t total; /* bytes of output */
	inflate_sink *sink;
	void *ctx;
	struct data_error *err;
	uint32_t crc;
	uint32_t crc_table[256];
	struct huffman lit, dist;
	uint8_t lengths[LITLENS + 32];
	uint8_t window[WINDOW];
};

static int fail(struct inflate *s, const char *what)
{
	s->err->what = what;
	s->err->at = s->pos - s->nbits / 8;
	return -EINVAL;
}

static void crc_init(uint32_t *table)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = (c >> 1) ^ (0xedb88320U & (0U - (c & 1)));
		table[i] = c;
	}
}

static uint32_t crc_add(const uint32_t *table, uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n-- != 0)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

static void refill(struct inflate *s)
{
	while (s->nbits <= 56 && s->pos < s->n) {
		s->bits |= (uint64_t)s->in[s->pos++] << s->nbits;
		s->nbits += 8;
	}
}

static int need(struct inflate *s, unsigned n)
{
	if (s->nbits < n)
		refill(s);
	return s->nbits >= n ? 0 : fail(s, "the compressed data ends too early");
}

/* The next n <= 32 bits, which need() found to be there. */
static uint32_t take(struct inflate *s, unsigned n)
{
	uint32_t v = (uint32_t)(s->bits & ((UINT64_C(1) << n) - 1));
	s->bits >>= n;
	s->nbits -= n;
	return v;
}

/* Hands out what the window holds since the last time; called when it is full and at the end. */
static int flush(struct inflate *s, size_t n)
{
	s->crc = crc_add(s->crc_table, s->crc, s->window, n);
	return n != 0 ? s->sink(s->ctx, s->window, n) : 0;
}

static int put(struct inflate *s, uint8_t byte)
{
	s->window[s->total++ % WINDOW] = byte;
	return s->total % WINDOW == 0 ? flush(s, WINDOW) : 0;
}

static unsigned reverse(unsigned code, unsigned n)
{
	unsigned r = 0;
	while (n-- != 0) {
		r = r << 1 | (code & 1);
		code >>= 1;
	}
	return r;
}

/* From the code length of each of n symbols. How many codes are missing (0: complete, < 0: too
 * many), in units of the longest length. */
static int huffman_make(struct huffman *h, const uint8_t *lengths, unsigned n)
{
	uint16_t next[MAX_BITS + 2] = {0}, code[MAX_BITS + 2] = {0};
	int left = 1;
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < n; i++)
		h->count[lengths[i]]++;
	h->count[0] = 0;
	for (unsigned l = 1; l <= MAX_BITS; l++) {
		left = left * 2 - h->count[l];
		if (left < 0)
			return left;
		next[l + 1] = (uint16_t)(next[l] + h->count[l]);
		code[l + 1] = (uint16_t)((code[l] + h->count[l]) << 1);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned l = lengths[i];
		if (l == 0)
			continue;
		h->symbol[next[l]++] = (uint16_t)i;
		unsigned c = code[l]++;
		if (l > FAST_BITS)
			continue;
		for (unsigned k = reverse(c, l); k < 1U << FAST_BITS; k += 1U << l)
			h->fast[k] = (uint16_t)(i << 4 | l);
	}
	return left;
}

/* The next symbol, or -EINVAL. */
static int decode(struct inflate *s, const struct huffman *h)
{
	if (s->nbits < MAX_BITS)
		refill(s);
	unsigned e = h->fast[s->bits & ((1U << FAST_BITS) - 1)];
	if (e != 0 && (e & 15) <= s->nbits) {
		take(s, e & 15);
		return (int)(e >> 4);
	}
	unsigned code = 0, first = 0, index = 0;
	for (unsigned l = 1; l <= MAX_BITS; l++) {
		if (l > s->nbits)
			return need(s, l);
		code |= (s->bits >> (l - 1)) & 1;
		unsigned count = h->count[l];
		if (code - first < count) {
			take(s, l);
			return h->symbol[index + (code - first)];
		}
		index += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	return fail(s, "the compressed data has a code that stands for nothing");
}

static int stored_block(struct inflate *s)
{
	take(s, s->nbits % 8);
	int err = need(s, 32);
	if (err != 0)
		return err;
	uint32_t len = take(s, 16), check = take(s, 16);
	if (len != (check ^ 0xffff))
		return fail(s, "a stored block's length does not match its complement");
	while (len-- != 0 && err == 0) {
		err = need(s, 8);
		if (err == 0)
			err = put(s, (uint8_t)take(s, 8));
	}
	return err;
}

static int copy_match(struct inflate *s, unsigned len)
{
	static const uint16_t base[DISTS] = {1,    2,    3,    4,     5,     7,    9,    13,
					     17,   25,   33,   49,    65,    97,   129,  193,
					     257,  385,  513,  769,   1025,  1537, 2049, 3073,
					     4097, 6145, 8193, 12289, 16385, 24577};
	int sym = decode(s, &s->dist);
	if (sym < 0)
		return sym;
	if (sym >= DISTS)
		return fail(s, "a distance code is out of range");
	unsigned extra = sym < 4 ? 0 : (unsigned)sym / 2 - 1;
	int err = need(s, extra);
	if (err != 0)
		return err;
	uint64_t dist = base[sym] + take(s, extra);
	if (dist > s->total)
		return fail(s, "a match reaches back before the start of the data");
	while (len-- != 0 && err == 0)
		err = put(s, s->window[(s->total - dist) % WINDOW]);
	return err;
}

static int coded_block(struct inflate *s)
{
	static const uint16_t base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
					  15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
					  67, 83, 99, 115, 131, 163, 195, 227, 258};
	for (;;) {
		int sym = decode(s, &s->lit), err = 0;
		if (sym < 0)
			return sym;
		if (sym == 256)
			return 0;
		if (sym < 256) {
			err = put(s, (uint8_t)sym);
		} else if (sym > 285) {
			err = fail(s, "a length code is out of range");
		} else {
			unsigned i = (unsigned)sym - 257;
			unsigned extra = i < 8 || i == 28 ? 0 : i / 4 - 1;
			err = need(s, extra);
			if (err == 0)
				err = copy_match(s, base[i] + take(s, extra));
		}
		if (err != 0)
			return err;
	}
}

static int fixed_codes(struct inflate *s)
{
	memset(s->lengths, 8, 144);
	memset(s->lengths + 144, 9, 112);
	memset(s->lengths + 256, 7, 24);
	memset(s->lengths + 280, 8, 8);
	huffman_make(&s->lit, s->lengths, LITLENS);
	memset(s->lengths, 5, 32);
	huffman_make(&s->dist, s->lengths, 32);
	return 0;
}

/* Reads n code lengths, themselves coded by s->lit. */
static int read_lengths(struct inflate *s, unsigned n)
{
	static const uint8_t bits[3] = {2, 3, 7}, least[3] = {3, 3, 11};
	unsigned i = 0;
	while (i < n) {
		int sym = decode(s, &s->lit);
		if (sym < 0)
			return sym;
		if (sym < 16) {
			s->lengths[i++] = (uint8_t)sym;
			continue;
		}
		if (sym == 16 && i == 0)
			return fail(s, "the first code length repeats one that is not there");
		uint8_t value = sym == 16 ? s->lengths[i - 1] : 0;
		int err = need(s, bits[sym - 16]);
		if (err != 0)
			return err;
		unsigned repeat = least[sym - 16] + take(s, bits[sym - 16]);
		if (repeat > n - i)
			return fail(s, "there are more code lengths than codes");
		memset(s->lengths + i, value, repeat);
		i += repeat;
	}
	return 0;
}

/* A set may lack codes only if it has just one, of one bit, or none at all. */
static bool usable(const struct huffman *h, int missing)
{
	unsigned used = 0;
	for (unsigned l = 1; l <= MAX_BITS; l++)
		used += h->count[l];
	return missing == 0 || (missing > 0 && used <= 1 && used == h->count[1]);
}

static int dynamic_codes(struct inflate *s)
{
	static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					  11, 4,  12, 3, 13, 2, 14, 1, 15};
	int err = need(s, 14);
	if (err != 0)
		return err;
	unsigned nlit = take(s, 5) + 257, ndist = take(s, 5) + 1, ncode = take(s, 4) + 4;
	if (nlit > 286 || ndist > DISTS)
		return fail(s, "a block has more codes than there are");
	memset(s->lengths, 0, sizeof(s->lengths));
	for (unsigned i = 0; i < ncode && err == 0; i++) {
		err = need(s, 3);
		if (err == 0)
			s->lengths[order[i]] = (uint8_t)take(s, 3);
	}
	if (err != 0)
		return err;
	if (huffman_make(&s->lit, s->lengths, 19) != 0)
		return fail(s, "the codes for code lengths are not a complete set");
	err = read_lengths(s, nlit + ndist);
	if (err != 0)
		return err;
	if (s->lengths[256] == 0)
		return fail(s, "a block has no code for its end");
	if (!usable(&s->dist, huffman_make(&s->dist, s->lengths + nlit, ndist)))
		return fail(s, "the distance codes are not a complete set");
	if (!usable(&s->lit, huffman_make(&s->lit, s->lengths, nlit)))
		return fail(s, "the literal and length codes are not a complete set");
	return 0;
}

static int inflate_blocks(struct inflate *s)
{
	bool last;
	do {
		int err = need(s, 3);
		if (err != 0)
			return err;
		last = take(s, 1);
		switch (take(s, 2)) {
		case 0:
			err = stored_block(s);
			break;
		case 1:
			err = fixed_codes(s);
			if (err == 0)
				err = coded_block(s);
			break;
		case 2:
			err = dynamic_codes(s);
			if (err == 0)
				err = coded_block(s);
			break;
		default:
			err = fail(s, "a block is of a kind that does not exist");
			break;
		}
		if (err != 0)
			return err;
	} while (!last);
	return flush(s, s->total % WINDOW);
}

/* A text that ends with a zero byte. */
static int skip_text(struct inflate *s)
{
	while (s->pos < s->n && s->in[s->pos] != 0)
		s->pos++;
	if (s->pos == s->n)
		return fail(s, "the gzip header ends too early");
	s->pos++;
	return 0;
}

static int gzip_header(struct inflate *s)
{
	enum { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, RESERVED = 0xe0, HEADER = 10 };
	if (s->n < HEADER)
		return fail(s, "the gzip header ends too early");
	if (s->in[0] != 0x1f || s->in[1] != 0x8b)
		return fail(s, "this is not gzip data");
	if (s->in[2] != 8)
		return fail(s, "the gzip compression method is not deflate");
	unsigned flags = s->in[3];
	if (flags & RESERVED)
		return fail(s, "the gzip header has reserved flags set");
	s->pos = HEADER;
	if (flags & FEXTRA) {
		if (s->n - s->pos < 2)
			return fail(s, "the gzip header ends too early");
		size_t len = s->in[s->pos] | (size_t)s->in[s->pos + 1] << 8;
		if (s->n - s->pos - 2 < len)
			return fail(s, "the gzip header ends too early");
		s->pos += 2 + len;
	}
	int err = flags & FNAME ? skip_text(s) : 0;
	if (err == 0 && (flags & FCOMMENT))
		err = skip_text(s);
	if (err != 0 || !(flags & FHCRC))
		return err;
	if (s->n - s->pos < 2)
		return fail(s, "the gzip header ends too early");
	uint32_t crc = crc_add(s->crc_table, 0, s->in, s->pos) & 0xffff;
	if (crc != (s->in[s->pos] | (uint32_t)s->in[s->pos + 1] << 8))
		return fail(s, "the gzip header's checksum is wrong");
	s->pos += 2;
	return 0;
}

int gunzip(const uint8_t *data, size_t n, size_t *used, inflate_sink *sink, void *ctx,
	   struct data_error *err)
{
	struct inflate *s = kzalloc(sizeof(*s));
	if (s == NULL) {
		*err = (struct data_error){"there is no memory to unpack it", 0};
		return -ENOMEM;
	}
	s->in = data;
	s->n = n;
	s->sink = sink;
	s->ctx = ctx;
	s->err = err;
	crc_init(s->crc_table);
	int r = gzip_header(s);
	if (r == 0)
		r = inflate_blocks(s);
	if (r == 0) {
		take(s, s->nbits % 8);
		r = need(s, 32);
	}
	if (r == 0 && take(s, 32) != s->crc)
		r = fail(s, "the checksum of the unpacked data is wrong");
	if (r == 0)
		r = need(s, 32);
	if (r == 0 && take(s, 32) != (uint32_t)s->total)
		r = fail(s, "the length of the unpacked data is wrong");
	*used = s->pos - s->nbits / 8;
	kfree(s);
	return r;
}
