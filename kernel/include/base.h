/* SPDX-License-Identifier: MIT */
/* Types and small macros that every kernel file uses. */
#ifndef KERNEL_BASE_H
#define KERNEL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errno.h"

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)              ((x) & ~((uint64_t)(a)-1))
#define ALIGN_UP(x, a)                ALIGN_DOWN((x) + (uint64_t)(a)-1, (a))
#define MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define MAX(a, b)                     ((a) > (b) ? (a) : (b))
#define BIT(n)                        (UINT64_C(1) << (n))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL

#define noreturn          __attribute__((__noreturn__))
#define packed            __attribute__((__packed__))
#define printf_like(f, a) __attribute__((__format__(__printf__, f, a)))
#define unused            __attribute__((__unused__))
/* What most operations look at lies together, in few pages and lines; what they write, in lines of
 * its own, since CPUs take those from each other. */
#define HOT_DATA    __attribute__((__section__(".data.hot")))
#define HOT_WRITTEN __attribute__((__section__(".data.hot_written"), __aligned__(64)))

/* Errors travel as negative errno values; pointers that may carry one use these three. */
static inline void *err_ptr(long err)
{
	return (void *)err;
}

static inline bool is_err(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095;
}

static inline long ptr_err(const void *p)
{
	return (long)p;
}

/* lib/string.c: the C functions the compiler may call, and the few strings we need. */
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* Copies at most n-1 bytes and always ends dst; returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t n);
#if !__STDC_HOSTED__
/* Where the size is a constant the compiler knows what is shorter than a call. */
#define memcpy(dst, src, n) __builtin_memcpy(dst, src, n)
#define memset(dst, c, n)   __builtin_memset(dst, c, n)
#endif

#endif
