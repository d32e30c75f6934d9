/* SPDX-License-Identifier: MIT */
/*
 * What a root maps for the kernel, counted by the walker of these tests in a file of RAM from
 * address 0: count FILE CR3 LEVELS prints pages, writable ones, executable ones.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "walk.h"

struct vm {
	const uint8_t *ram;
	uint64_t bytes;
};

struct count {
	const struct walk_root *root;
	uint64_t pages, writable, executable;
};

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
	return pa <= vm->bytes && n <= vm->bytes - pa ? vm->ram + pa : NULL;
}

static int take(void *arg, const struct walk_leaf *leaf)
{
	struct count *c = arg;
	uint64_t n = leaf->size / WALK_PAGE;

	if (leaf->user && !walk_kernel_half(c->root, leaf->va))
		return 0;
	c->pages += n;
	c->writable += leaf->write ? n : 0;
	c->executable += leaf->exec ? n : 0;
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

	if (argc != 4)
		vm_die("usage: count FILE CR3 LEVELS");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		vm_die("%s cannot be read", argv[1]);
	vm.bytes = (uint64_t)st.st_size;
	vm.ram = mmap(NULL, vm.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (vm.ram == MAP_FAILED)
		vm_die("%s cannot be mapped", argv[1]);
	cpu.cr4 = !strcmp(argv[3], "5") ? 0x1000 : 0;
	root = walk_root(&vm, &cpu, strtoull(argv[2], NULL, 0));
	walk_all(&root, take, &c);
	printf("%lu %lu %lu\n", c.pages, c.writable, c.executable);
	return 0;
}
