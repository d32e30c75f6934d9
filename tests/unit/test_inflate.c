/* SPDX-License-Identifier: MIT */
/* SRC: kernel/fs/inflate.c */
/* CFLAGS: -std=c11 -D_POSIX_C_SOURCE=200809L -iquote kernel/fs */
/* kernel/fs/inflate.c on the build host. Emits TAP. Compile, from the root:
 * gcc -std=c11 -D_POSIX_C_SOURCE=200809L -g -O1 -Wall -Wextra -fsanitize=address,undefined -iquote
 *   kernel/include -iquote kernel/fs tests/unit/test_inflate.c kernel/fs/inflate.c */
#include "host_fs.h"
#include "inflate.h"

static unsigned char out[8 << 20];
static size_t nout;
static bool refuse;

static int collect(void *ctx, const uint8_t *p, size_t n)
{
	(void)ctx;
	if (refuse)
		return -ENOSPC;
	if (n == 0 || n > 32768 || nout + n > sizeof(out))
		abort();
	memcpy(out + nout, p, n);
	nout += n;
	return 0;
}

static int unpack(const unsigned char *p, size_t n, size_t *used, struct data_error *err)
{
	unsigned char *copy = exact(p, n);
	nout = 0;
	*err = (struct data_error){NULL, UINT64_MAX};
	int r = gunzip(copy, n, used, collect, NULL, err);
	free(copy);
	return r;
}

/* An error must say what and where. */
static bool clean_error(int r, const struct data_error *err, size_t n)
{
	return r == -EINVAL && err->what != NULL && err->what[0] != '\0' && err->at <= n;
}

static void same_as_source(const char *make, const char *gzip)
{
	char command[512], name[600];
	size_t n, gz, used;
	struct data_error err;
	unsigned char *want = run(make, &n);
	snprintf(command, sizeof(command), "%s | %s", make, gzip);
	unsigned char *zipped = run(command, &gz);
	int r = unpack(zipped, gz, &used, &err);
	snprintf(name, sizeof(name), "same bytes: %s", command);
	tap(r == 0 && used == gz && nout == n && memcmp(out, want, n) == 0, name);
	free(want);
	free(zipped);
}

static void truncations(const char *command)
{
	size_t n, used, bad = 0;
	struct data_error err;
	unsigned char *zipped = run(command, &n);
	for (size_t cut = 0; cut < n; cut++)
		bad += !clean_error(unpack(zipped, cut, &used, &err), &err, cut);
	char name[400];
	snprintf(name, sizeof(name), "each of %zu truncations is refused: %s", n, command);
	tap(bad == 0, name);
	free(zipped);
}

/* Damage past the header is found, unless it hits bits that mean nothing: then the output is right.
 */
static void flips(const char *command, size_t header)
{
	size_t n, used, crashed = 0, missed = 0;
	struct data_error err;
	unsigned char *zipped = run(command, &n);
	unsigned char *want = NULL;
	size_t nwant = 0;
	if (unpack(zipped, n, &used, &err) == 0) {
		want = exact(out, nout);
		nwant = nout;
	}
	for (size_t bit = 0; bit < n * 8; bit++) {
		zipped[bit / 8] ^= 1u << bit % 8;
		int r = unpack(zipped, n, &used, &err);
		if (r == 0 && bit / 8 >= header && (nout != nwant || memcmp(out, want, nwant) != 0))
			missed++;
		else if (r != 0 && !clean_error(r, &err, n))
			crashed++;
		zipped[bit / 8] ^= 1u << bit % 8;
	}
	char name[400];
	snprintf(name, sizeof(name), "each of %zu flipped bits is found or harmless: %s", n * 8,
		 command);
	tap(crashed == 0 && missed == 0, name);
	if (missed != 0)
		printf("# %zu missed, %zu without a sentence\n", missed, crashed);
	free(want);
	free(zipped);
}

static void garbage(void)
{
	size_t used, bad = 0;
	struct data_error err;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned char junk[200] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
		for (size_t k = 10; k < sizeof(junk); k++)
			junk[k] = (unsigned char)rnd();
		junk[10] = (unsigned char)((junk[10] & ~6u) | (i % 4) << 1); /* all block kinds */
		int r = unpack(junk, 10 + rnd() % 190, &used, &err);
		bad += r != 0 && !clean_error(r, &err, sizeof(junk));
	}
	tap(bad == 0, "20000 random streams: a sentence or an answer");
}

static void headers(void)
{
	size_t n, used;
	struct data_error err;
	unsigned char *p = run("printf hello | gzip -n9", &n), h[256];
	/* FEXTRA of 3 bytes, FNAME, FCOMMENT */
	static const unsigned char extra[] = {3, 0, 'a', 'b', 'c', 'f', 0, 'c', 0};
	memcpy(h, p, 10);
	h[3] = 4 | 8 | 16;
	memcpy(h + 10, extra, sizeof(extra));
	memcpy(h + 10 + sizeof(extra), p + 10, n - 10);
	int r = unpack(h, n + sizeof(extra), &used, &err);
	tap(r == 0 && nout == 5 && memcmp(out, "hello", 5) == 0 && used == n + sizeof(extra),
	    "a header with all optional fields");
	h[3] |= 2; /* a checksum that is not there: the next bytes are not it */
	tap(clean_error(unpack(h, n + sizeof(extra), &used, &err), &err, n + sizeof(extra)),
	    "a wrong header checksum is refused");
	h[3] = 0x20;
	tap(clean_error(unpack(h, n, &used, &err), &err, n), "reserved flags are refused");
	h[3] = 0;
	h[2] = 7;
	tap(clean_error(unpack(h, n, &used, &err), &err, n), "another method is refused");
	refuse = true;
	tap(unpack(p, n, &used, &err) == -ENOSPC, "the sink's refusal comes back");
	refuse = false;
	fail_after = 0;
	tap(unpack(p, n, &used, &err) == -ENOMEM && err.what != NULL, "no memory is an error");
	fail_after = -1;
	free(p);
}

int main(void)
{
	static const char *const makers[] = {
		"true",
		"printf x",
		"seq 1 100000",
		"head -c 3000000 /dev/zero",
		"head -c 32768 /dev/zero",
		"cat kernel/fs/*.c",
		"cat /bin/gzip",
	};
	static const char *const packers[] = {"gzip -1", "gzip -6", "gzip -9"};
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		for (size_t k = 0; k < ARRAY_SIZE(packers); k++)
			same_as_source(makers[i], packers[k]);
	truncations("seq 1 300 | gzip -n9");
	truncations("printf aaaaaaaaaaaaaaaaaaaaaaaaab | gzip -n9");
	truncations("head -c 300 /dev/urandom | gzip -n9");
	flips("seq 1 300 | gzip -n9", 10);
	flips("printf aaaaaaaaaaaaaaaaaaaaaaaaab | gzip -n9", 10);
	flips("head -c 300 /dev/urandom | gzip -n9", 10);
	garbage();
	headers();
	tap(objects == 0, "all memory was given back");
	return tap_end();
}
