/* SPDX-License-Identifier: MIT */
/* What kernel/mm needs from the rest of the kernel, faked for a process on the build host: RAM is
 * one static array, locks are nothing, libkaiser is a model of one CPU's TLB. Included by one C
 * file of each test, before anything of the kernel. */
#ifndef TESTS_UNIT_HOST_MM_H
#define TESTS_UNIT_HOST_MM_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef SEEK_SET /* vfs.h has an enum of them */
#undef SEEK_CUR
#undef SEEK_END

#include "boot.h"
#include "cpu.h"
#include "page.h"
#include "printk.h"

enum { RAM_PAGES = 4096, RAM_FIRST = 256 }; /* RAM begins at 1 MiB */

static _Alignas(4096) unsigned char ram[RAM_PAGES * PAGE_SIZE];

bool percpu_ready;

noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! panic: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	abort();
}

size_t strlcpy(char *dst, const char *src, size_t n)
{
	size_t len = strlen(src);

	if (n > 0) {
		memcpy(dst, src, MIN(len, n - 1));
		dst[MIN(len, n - 1)] = '\0';
	}
	return len;
}

static void host_ram_init(void)
{
	static struct boot_info bi;

	bi.direct_map_base = (uint64_t)ram - RAM_FIRST * PAGE_SIZE;
	bi.phys_top = (RAM_FIRST + RAM_PAGES) * PAGE_SIZE;
	/* Two ranges with a hole, the first too small for the descriptors. */
	bi.ram[0] = (struct boot_range){RAM_FIRST * PAGE_SIZE, (RAM_FIRST + 5) * PAGE_SIZE};
	bi.ram[1] = (struct boot_range){(RAM_FIRST + 9) * PAGE_SIZE, bi.phys_top};
	bi.ram_ranges = 2;
	bi.levels = 4;
	page_init(&bi);
}

static uint64_t free_pages(void)
{
	struct page_stats st;

	page_stats(&st);
	return st.free;
}

static unsigned tap_count, tap_failed;

static unused void tap(bool ok, const char *what)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tap_count, what);
	tap_failed += !ok;
}

static unused int tap_end(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed != 0;
}

static uint64_t rng_state = 1;

static unused uint64_t rng(uint64_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % n;
}

#endif
