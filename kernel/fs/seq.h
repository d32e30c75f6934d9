/* SPDX-License-Identifier: MIT */
/* Text of any length, made in one go. */
#ifndef KERNEL_FS_SEQ_H
#define KERNEL_FS_SEQ_H

#include "base.h"

struct seq {
	char *buf;
	size_t used, size;
	bool failed; /* out of memory: the text is not complete */
};

/* Like seq_printf() (vfs.h), for bytes. */
void seq_write(struct seq *s, const void *p, size_t n);
/* A string with blanks, newlines and backslashes as \ooo. */
void seq_escaped(struct seq *s, const char *text);
void seq_free(struct seq *s);

#endif
