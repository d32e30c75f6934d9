/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_FS_INFLATE_H
#define KERNEL_FS_INFLATE_H

#include "base.h"

/* What is wrong with input data: a sentence without an end, and the byte offset it is about. */
struct data_error {
	const char *what;
	uint64_t at;
};

/* Takes n bytes of output; not 0 stops the work with that value. */
typedef int inflate_sink(void *ctx, const uint8_t *data, size_t n);

/* Unpacks one gzip member (RFC 1952) at data. 0, and *used says how long it was; -EINVAL or -ENOMEM
 * with *err filled in; or what the sink returned. Output comes in pieces of at most 32 KiB; what
 * came before an error has been handed out already. */
int gunzip(const uint8_t *data, size_t n, size_t *used, inflate_sink *sink, void *ctx,
	   struct data_error *err);

#endif
