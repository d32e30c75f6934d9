/* SPDX-License-Identifier: MIT */
/* ELF headers of both classes; the 32-bit ones are widened and then treated alike. */
#ifndef PROC_ELF_H
#define PROC_ELF_H

#include "base.h"

enum { ET_EXEC = 2, ET_DYN = 3, EM_386 = 3, EM_X86_64 = 62 };
enum { PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474e551 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };
enum { ELFCLASS32 = 1, ELFCLASS64 = 2 };

struct ehdr {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct ehdr) == 64 && sizeof(struct phdr) == 56, "ELF64's own sizes");

struct ehdr32 {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr32 {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

_Static_assert(sizeof(struct ehdr32) == 52 && sizeof(struct phdr32) == 32, "ELF32's own sizes");

/* In place: *h was read from the file as it is, and so were ph's n headers, into its beginning. */
void elf32_widen_ehdr(struct ehdr *h);
void elf32_widen_phdrs(struct phdr *ph, unsigned n);

#endif
