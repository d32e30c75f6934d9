/* SPDX-License-Identifier: MIT */
/* TAP, with findings: a test fails if anything was found under its name. */
#ifndef OUTSIDE_TAP_H
#define OUTSIDE_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count;
static bool tap_failed;

static inline void tap_result(bool ok, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static inline void tap_result(bool ok, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	tap_failed |= !ok;
}

static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed;
}

#endif
