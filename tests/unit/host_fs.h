/* SPDX-License-Identifier: MIT */
/* What kernel/fs needs from the rest of the kernel, faked for a process on the build host: memory
 * that is counted and fails on demand, locks that check their use, no tasks. Included by the one C
 * file of a test, before anything of the kernel. */
#ifndef TESTS_UNIT_HOST_FS_H
#define TESTS_UNIT_HOST_FS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef SEEK_SET /* vfs.h has an enum of them */
#undef SEEK_CUR
#undef SEEK_END

#include "slab.h"
#include "base.h"

static unsigned tap_count, tap_failed;

static unused bool tap(bool ok, const char *what)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tap_count, what);
	tap_failed += !ok;
	return ok;
}

static unused int tap_end(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed != 0;
}

static long objects;         /* allocated now */
static long fail_after = -1; /* allocations that still work; -1: all */

static bool allocation_fails(void)
{
	if (fail_after < 0)
		return false;
	if (fail_after == 0)
		return true;
	fail_after--;
	return false;
}

void *kmalloc(size_t n)
{
	if (allocation_fails())
		return NULL;
	objects++;
	void *p = malloc(n);
	if (p != NULL)
		memset(p, 0xa5, n);
	return p;
}

void *kzalloc(size_t n)
{
	void *p = kmalloc(n);
	return p != NULL ? memset(p, 0, n) : NULL;
}

void kfree(void *p)
{
	objects -= p != NULL;
	free(p);
}

/* What a command writes: *n bytes, to be freed. Exits if the command fails. */
static unused unsigned char *run(const char *command, size_t *n)
{
	size_t cap = 1 << 16;
	unsigned char *buf = malloc(cap);
	FILE *p = popen(command, "r");
	*n = 0;
	while (buf != NULL && p != NULL) {
		size_t got = fread(buf + *n, 1, cap - *n, p);
		*n += got;
		if (got == 0)
			break;
		if (*n == cap)
			buf = realloc(buf, cap *= 2);
	}
	if (buf == NULL || p == NULL || pclose(p) != 0) {
		printf("Bail out! command failed: %s\n", command);
		exit(2);
	}
	return buf;
}

static uint64_t seed = 88172645463325252u;

static unused uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* A copy of exactly n bytes, so that the sanitizer sees a read past the end. */
static unused unsigned char *exact(const unsigned char *p, size_t n)
{
	unsigned char *q = malloc(n != 0 ? n : 1);
	if (q == NULL)
		abort();
	memcpy(q, p, n);
	return q;
}

#ifdef HOST_FS_TREE /* for tests of the tree in memory */
#include "fs.h"
#include "cpu.h"

enum { RAM_PAGES = 4096 };
static _Alignas(4096) unsigned char ram[RAM_PAGES * 4096];
static struct page pages[RAM_PAGES];
static unsigned pages_free = RAM_PAGES;
uint64_t direct_map_base = 0;
struct page *page_array = pages;
bool percpu_ready;
const struct file_ops pipe_ops;
static uint64_t clock_now = 1000;

static unused void host_fs_init(void)
{
	direct_map_base = (uint64_t)ram;
	root_inode = ramfs_inode(S_IFDIR | 0755, 0);
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	static unsigned hint;
	if (order != 0 || pages_free == 0 || allocation_fails())
		return NULL;
	while (pages[hint].refs != 0)
		hint = (hint + 1) % RAM_PAGES;
	pages_free--;
	pages[hint].refs = 1;
	memset(page_to_virt(&pages[hint]), flags & PAGE_ZERO ? 0 : 0xa5, PAGE_SIZE);
	return &pages[hint];
}

void page_put(struct page *p)
{
	if (p->refs <= 0)
		abort();
	pages_free += --p->refs == 0;
}

void *page_zalloc(void)
{
	struct page *p = page_alloc(0, PAGE_ZERO);
	return p != NULL ? page_to_virt(p) : NULL;
}

void page_free_virt(void *va)
{
	page_put(phys_to_page(virt_to_phys(va)));
}

void page_stats(struct page_stats *st)
{
	*st = (struct page_stats){RAM_PAGES, pages_free};
}

char *kstrdup(const char *s)
{
	char *p = kmalloc(strlen(s) + 1);
	return p != NULL ? strcpy(p, s) : NULL;
}

size_t strlcpy(char *dst, const char *src, size_t n)
{
	size_t len = strlen(src);
	if (n != 0) {
		memcpy(dst, src, MIN(len, n - 1));
		dst[MIN(len, n - 1)] = '\0';
	}
	return len;
}

/* A mutex taken twice, or not initialised, is found. */
void mutex_init(struct mutex *m)
{
	m->holder = NULL;
	list_init(&m->queue.waiters);
}

void mutex_wait(unused struct mutex *m)
{
	abort();
}

void mutex_wake(unused struct mutex *m)
{
	abort();
}

uint64_t now_ns(void)
{
	return UINT64_C(1700000000) * 1000000000 + clock_now++;
}

void mount_cross(struct inode **in)
{
	(void)in;
}

struct file *fd_get(int fd)
{
	(void)fd;
	return NULL;
}

void file_put(struct file *f)
{
	(void)f;
}

long strncpy_from_user(char *dst, uint64_t src, size_t n)
{
	(void)dst, (void)src, (void)n;
	return -EFAULT;
}

struct inode *fs_info_cwd(struct fs_info *fi)
{
	(void)fi;
	abort();
}

struct inode *fs_info_root(struct fs_info *fi)
{
	(void)fi;
	abort();
}

/* mm/filemap.c: nothing is mapped here. */
void filemap_cut(struct inode *in, uint64_t end)
{
	(void)in;
	(void)end;
}
#endif
#endif
