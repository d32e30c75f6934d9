/* SPDX-License-Identifier: MIT */
/* The formatter behind printk() and vsnprintf(). */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include "printk.h"

/* Where formatted characters go. `count` is the number put before this one. */
struct sink {
	void (*put)(struct sink *s, char c);
	int count;
};

/* A va_list that functions can share: as a parameter its type decays. */
struct va_box {
	va_list ap;
};

void format(struct sink *s, const char *fmt, va_list ap) printf_like(2, 0);

#endif
