/* SPDX-License-Identifier: MIT */
/* The newc cpio parser: a state machine, because its input may come out of a decompressor.
 *
 * An archive is a run of entries: a header of 13 numbers in hexadecimal, the name with its zero
 * byte, padding to 4, the body, padding to 4. The entry "TRAILER!!!" ends it. Zero bytes may
 * follow, then another archive. */
#include "cpio.h"
#include "vfs.h"

enum field {
	F_INO,
	F_MODE,
	F_UID,
	F_GID,
	F_NLINK,
	F_MTIME,
	F_FILESIZE,
	F_DEVMAJOR,
	F_DEVMINOR,
	F_RDEVMAJOR,
	F_RDEVMINOR,
	F_NAMESIZE,
	F_CHECK,
	FIELDS,
};
#define MAGIC_BYTES 6
#define FIELD_BYTES 8
_Static_assert(MAGIC_BYTES + FIELDS * FIELD_BYTES == CPIO_HEADER, "header size drifted");

void cpio_init(struct cpio *c, const struct cpio_sink *sink, void *ctx, struct data_error *err)
{
	memset(c, 0, sizeof(*c));
	c->sink = sink;
	c->ctx = ctx;
	c->err = err;
}

static int fail_at(struct cpio *c, uint64_t at, const char *what)
{
	*c->err = (struct data_error){what, at};
	return -EINVAL;
}

static int fail(struct cpio *c, const char *what)
{
	return fail_at(c, c->entry_at, what);
}

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

static int parse_header(struct cpio *c)
{
	uint32_t v[FIELDS];
	if (memcmp(c->header, "070701", MAGIC_BYTES) != 0 &&
	    memcmp(c->header, "070702", MAGIC_BYTES) != 0)
		return fail(c, "a cpio header does not begin with 070701 or 070702");
	for (unsigned f = 0; f < FIELDS; f++) {
		v[f] = 0;
		for (unsigned i = 0; i < FIELD_BYTES; i++) {
			size_t at = MAGIC_BYTES + f * FIELD_BYTES + i;
			int digit = hex_digit(c->header[at]);
			if (digit < 0)
				return fail_at(c, c->entry_at + at,
					       "a cpio header holds something else than "
					       "hexadecimal digits");
			v[f] = v[f] << 4 | (uint32_t)digit;
		}
	}
	if (v[F_NAMESIZE] == 0)
		return fail(c, "a cpio entry has no name");
	if (v[F_NAMESIZE] > CPIO_MAX_NAME)
		return fail(c, "a cpio entry's name is longer than 4095 bytes");
	c->entry = (struct cpio_entry){
		.mode = v[F_MODE],
		.uid = v[F_UID],
		.gid = v[F_GID],
		.nlink = v[F_NLINK],
		.mtime = v[F_MTIME],
		.ino = v[F_INO],
		.dev_major = v[F_DEVMAJOR],
		.dev_minor = v[F_DEVMINOR],
		.rdev_major = v[F_RDEVMAJOR],
		.rdev_minor = v[F_RDEVMINOR],
		.size = v[F_FILESIZE],
	};
	c->checksums = c->header[MAGIC_BYTES - 1] == '2';
	c->checksum = v[F_CHECK];
	c->sum = 0;
	c->left = v[F_NAMESIZE];
	c->got = 0;
	c->state = CPIO_IN_NAME;
	return 0;
}

/* ".." would make the meaning of a name depend on links that came earlier. */
static bool has_dotdot(const char *name)
{
	while (*name != '\0') {
		if (name[0] == '.' && name[1] == '.' && (name[2] == '/' || name[2] == '\0'))
			return true;
		while (*name != '\0' && *name != '/')
			name++;
		while (*name == '/')
			name++;
	}
	return false;
}

static const char *strip(const char *name)
{
	for (;;) {
		if (name[0] == '/')
			name++;
		else if (name[0] == '.' && (name[1] == '/' || name[1] == '\0'))
			name++;
		else
			return name;
	}
}

static int check_entry(struct cpio *c)
{
	struct cpio_entry *e = &c->entry;
	uint32_t type = e->mode & S_IFMT;
	bool body = type == S_IFREG || type == S_IFLNK;
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFCHR &&
	    type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK)
		return fail(c, "a cpio entry is of a type that does not exist");
	if (e->mode & ~(uint32_t)(S_IFMT | 07777))
		return fail(c, "a cpio entry's mode has bits that do not exist");
	if (!body && e->size != 0)
		return fail(c, "a cpio entry that is no file and no link has contents");
	if (type == S_IFLNK && (e->size == 0 || e->size >= CPIO_MAX_NAME))
		return fail(c, "a symbolic link's text is empty or longer than 4095 bytes");
	if ((type == S_IFCHR || type == S_IFBLK) && (e->rdev_major > 0xfff || e->rdev_minor > 0xff))
		return fail(c, "a device number is out of range");
	if (has_dotdot(c->name))
		return fail(c, "a cpio entry's name contains \"..\"");
	e->name = strip(c->name);
	if (e->name[0] == '\0' && type != S_IFDIR)
		return fail(c, "a cpio entry that is no directory has the root's name");
	return 0;
}

static void pad(struct cpio *c, bool after_name)
{
	c->padding = (unsigned)(-(c->pos - c->start) & 3);
	c->after_name = after_name;
	c->state = CPIO_IN_PADDING;
}

static int name_done(struct cpio *c)
{
	if (memchr(c->name, '\0', c->got) != c->name + c->got - 1)
		return fail(c, "a cpio entry's name does not end where its length says");
	if (strcmp(c->name, "TRAILER!!!") == 0) {
		if (c->entry.size != 0)
			return fail(c, "the trailer of a cpio archive has contents");
		c->state = CPIO_BETWEEN;
		c->archives++;
		return c->sink->archive_end(c->ctx);
	}
	int err = check_entry(c);
	if (err == 0 && (c->entry.mode & S_IFMT) != S_IFLNK)
		err = c->sink->entry(c->ctx, &c->entry);
	c->left = c->entry.size;
	c->got = 0;
	pad(c, true);
	return err;
}

static int body_done(struct cpio *c)
{
	int err = 0;
	if ((c->entry.mode & S_IFMT) == S_IFLNK) {
		c->link[c->got] = '\0';
		if (strlen(c->link) != c->got)
			return fail(c, "a symbolic link's text contains a zero byte");
		c->entry.link = c->link;
		err = c->sink->entry(c->ctx, &c->entry);
	}
	if (err == 0 && c->checksums && (c->entry.mode & S_IFMT) == S_IFREG &&
	    c->sum != c->checksum)
		return fail(c, "the checksum of a cpio entry is wrong");
	pad(c, false);
	return err;
}

static int body_bytes(struct cpio *c, const uint8_t *p, size_t n)
{
	if (c->checksums)
		for (size_t i = 0; i < n; i++)
			c->sum += p[i];
	if ((c->entry.mode & S_IFMT) != S_IFLNK)
		return c->sink->data(c->ctx, p, n);
	memcpy(c->link + c->got, p, n);
	c->got += n;
	return 0;
}

/* Uses at least one of the n > 0 bytes: how many is in *took. */
static int step(struct cpio *c, const uint8_t *p, size_t n, size_t *took)
{
	int err = 0;
	switch (c->state) {
	case CPIO_IN_HEADER:
		n = MIN(n, CPIO_HEADER - c->got);
		memcpy(c->header + c->got, p, n);
		c->got += n;
		c->pos += n;
		if (c->got == CPIO_HEADER)
			err = parse_header(c);
		break;
	case CPIO_IN_NAME:
		n = MIN(n, c->left);
		memcpy(c->name + c->got, p, n);
		c->got += n;
		c->left -= n;
		c->pos += n;
		if (c->left == 0)
			err = name_done(c);
		break;
	case CPIO_IN_BODY:
		n = MIN(n, c->left);
		err = body_bytes(c, p, n);
		c->left -= n;
		c->pos += n;
		if (err == 0 && c->left == 0)
			err = body_done(c);
		break;
	default: /* CPIO_IN_PADDING with bytes left; CPIO_BETWEEN is cpio_feed's */
		n = MIN(n, c->padding);
		c->padding -= (unsigned)n;
		c->pos += n;
		break;
	}
	*took = n;
	return err;
}

/* Leaves states that need no further byte. */
static int settle(struct cpio *c)
{
	int err = 0;
	while (err == 0 && c->state == CPIO_IN_PADDING && c->padding == 0) {
		if (c->after_name && c->left != 0) {
			c->state = CPIO_IN_BODY;
		} else if (c->after_name) {
			err = body_done(c);
		} else {
			c->state = CPIO_IN_HEADER;
			c->got = 0;
			c->entry_at = c->pos;
		}
	}
	return err;
}

int cpio_feed(struct cpio *c, const uint8_t *p, size_t n, size_t *used)
{
	size_t i = 0;
	int err = 0;
	while (i < n && err == 0) {
		size_t took = 1;
		if (c->state != CPIO_BETWEEN) {
			err = step(c, p + i, n - i, &took);
			if (err == 0)
				err = settle(c);
		} else if (p[i] == 0) {
			c->pos++;
		} else if (p[i] == '0') {
			c->state = CPIO_IN_HEADER;
			c->got = 0;
			c->start = c->entry_at = c->pos;
			took = 0;
		} else {
			break;
		}
		i += took;
	}
	*used = i;
	return err;
}

int cpio_finish(struct cpio *c)
{
	switch (c->state) {
	case CPIO_BETWEEN:
		return c->archives != 0 ? 0 : fail_at(c, c->pos, "there is no cpio archive");
	case CPIO_IN_HEADER:
		return fail_at(c, c->pos,
			       c->got == 0 ? "the cpio archive has no trailer"
					   : "the cpio archive ends inside a header");
	case CPIO_IN_NAME:
		return fail_at(c, c->pos, "the cpio archive ends inside a name");
	case CPIO_IN_BODY:
		return fail_at(c, c->pos, "the cpio archive ends inside a file's contents");
	default:
		return fail_at(c, c->pos, "the cpio archive ends inside padding");
	}
}
