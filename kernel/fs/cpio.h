/* SPDX-License-Identifier: MIT */
/* The newc cpio format, read as a stream that comes in pieces of any size. */
#ifndef KERNEL_FS_CPIO_H
#define KERNEL_FS_CPIO_H

#include "inflate.h"

#define CPIO_HEADER   110
#define CPIO_MAX_NAME 4096

struct cpio_entry {
	const char *name; /* without "/" or "./" in front; "" is the root directory */
	const char *link; /* a symlink's text, else NULL */
	uint32_t mode, uid, gid, nlink, mtime, ino;
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	uint32_t size; /* of a regular file's data, which follows */
};

/* Each returns 0, or stops the reading with another value. */
struct cpio_sink {
	int (*entry)(void *ctx, const struct cpio_entry *e);
	int (*data)(void *ctx, const uint8_t *p, size_t n); /* of the last entry */
	int (*archive_end)(void *ctx);                      /* after each trailer */
};

enum cpio_state { CPIO_BETWEEN, CPIO_IN_HEADER, CPIO_IN_NAME, CPIO_IN_BODY, CPIO_IN_PADDING };

struct cpio {
	const struct cpio_sink *sink;
	void *ctx;
	struct data_error *err;
	enum cpio_state state;
	uint64_t pos;      /* in the stream */
	uint64_t start;    /* of the archive: padding is relative to it */
	uint64_t entry_at; /* of the current header */
	uint64_t archives; /* that ended */
	size_t got;        /* of header, name or link text */
	uint64_t left;     /* of the name or the body */
	unsigned padding;
	bool after_name; /* the padding is the one before the body */
	bool checksums;  /* "070702" */
	uint32_t checksum, sum;
	struct cpio_entry entry;
	char header[CPIO_HEADER];
	char name[CPIO_MAX_NAME];
	char link[CPIO_MAX_NAME];
};

void cpio_init(struct cpio *c, const struct cpio_sink *sink, void *ctx, struct data_error *err);
/* 0, and *used < n only if, between two archives, a byte came that starts none; -EINVAL with *err
 * filled in; or what the sink returned. */
int cpio_feed(struct cpio *c, const uint8_t *p, size_t n, size_t *used);
/* The stream ended: 0 or -EINVAL. */
int cpio_finish(struct cpio *c);

#endif
