/* SPDX-License-Identifier: MIT */
/*
 * What a root maps for the kernel, by the walker of these tests in a file of RAM. With more than
 * BELOW bytes of RAM the file goes on at 4 GiB, as QEMU's machines have it; else it begins at 0.
 *	count FILE CR3 LEVELS BELOW	pages, writable ones, executable ones, tables under the root
 *	count -r FILE CR3 LEVELS BELOW	the ranges, one a line: start, end, rights
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "walk.h"

#define ABOVE (UINT64_C(4) << 30)

struct vm {
	const uint8_t *ram;
	uint64_t bytes, below;
};

struct count {
	const struct walk_root *root;
	bool ranges;
	uint64_t pages, writable, executable;
	uint64_t start, end; /* the range so far */
	char rights[8];
};

static uint64_t tables;

void vm_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(2);
}

const uint8_t *vm_memory(const struct vm *vm, uint64_t pa, size_t n)
{
	tables++;
	if (vm->below < vm->bytes && pa >= vm->below)
		pa = pa >= ABOVE ? pa - ABOVE + vm->below : vm->bytes;
	return pa <= vm->bytes && n <= vm->bytes - pa ? vm->ram + pa : NULL;
}

static void put_range(struct count *c)
{
	if (c->ranges && c->start != c->end)
		printf("0x%lx 0x%lx %s\n", c->start, c->end, c->rights);
}

static int take(void *arg, const struct walk_leaf *leaf)
{
	struct count *c = arg;
	uint64_t n = leaf->size / WALK_PAGE;
	char rights[8];

	if (leaf->user && !walk_kernel_half(c->root, leaf->va))
		return 0;
	c->pages += n;
	c->writable += leaf->write ? n : 0;
	c->executable += leaf->exec ? n : 0;
	snprintf(rights, sizeof(rights), "r%c%c%s%s", leaf->write ? 'w' : '-',
		 leaf->exec ? 'x' : '-', leaf->user ? "u" : "", leaf->global ? "g" : "");
	if (leaf->va != c->end || strcmp(rights, c->rights)) {
		put_range(c);
		c->start = leaf->va;
		memcpy(c->rights, rights, sizeof(rights));
	}
	c->end = leaf->va + leaf->size;
	return 0;
}

int main(int argc, char **argv)
{
	struct vm vm;
	struct vm_cpu cpu = {.efer = 0x800};
	struct walk_root root;
	struct count c = {.root = &root};
	struct stat st;
	int fd;

	c.ranges = argc > 1 && !strcmp(argv[1], "-r");
	argc -= c.ranges;
	argv += c.ranges;
	if (argc != 5)
		vm_die("usage: count [-r] FILE CR3 LEVELS BELOW");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		vm_die("%s cannot be read", argv[1]);
	vm.bytes = (uint64_t)st.st_size;
	vm.ram = mmap(NULL, vm.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (vm.ram == MAP_FAILED)
		vm_die("%s cannot be mapped", argv[1]);
	vm.below = strtoull(argv[4], NULL, 0);
	cpu.cr4 = !strcmp(argv[3], "5") ? 0x1000 : 0;
	root = walk_root(&vm, &cpu, strtoull(argv[2], NULL, 0));
	walk_all(&root, take, &c);
	put_range(&c);
	if (!c.ranges)
		printf("%lu %lu %lu %lu\n", c.pages, c.writable, c.executable, tables);
	return 0;
}
