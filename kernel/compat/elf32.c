/* SPDX-License-Identifier: MIT */
/* ELF32 headers as ELF64 ones, in place. */
#include "../proc/elf.h"

void elf32_widen_ehdr(struct ehdr *h)
{
	struct ehdr32 s;

	memcpy(&s, h, sizeof(s));
	h->type = s.type;
	h->machine = s.machine;
	h->version = s.version;
	h->entry = s.entry;
	h->phoff = s.phoff;
	h->shoff = s.shoff;
	h->flags = s.flags;
	h->ehsize = s.ehsize;
	h->phentsize = s.phentsize;
	h->phnum = s.phnum;
	h->shentsize = s.shentsize;
	h->shnum = s.shnum;
	h->shstrndx = s.shstrndx;
}

void elf32_widen_phdrs(struct phdr *ph, unsigned n)
{
	const char *from = (const char *)ph;

	/* From the last on: each is wider than what it is made of, and moves up. */
	while (n-- > 0) {
		struct phdr32 s;

		memcpy(&s, from + n * sizeof(s), sizeof(s));
		ph[n] = (struct phdr){
			.type = s.type,
			.flags = s.flags,
			.offset = s.offset,
			.vaddr = s.vaddr,
			.paddr = s.paddr,
			.filesz = s.filesz,
			.memsz = s.memsz,
			.align = s.align,
		};
	}
}
