/* SPDX-License-Identifier: MIT */
/*
 * Memory that stands still: a raw file of RAM from address 0 with a CR3, or the ELF core of QEMU's
 * dump-guest-memory (without paging), with a note of QEMU's for each CPU. Of both little is
 * believed: what does not fit the file is cut or refused.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kaiser/verify.h>

#include "source.h"

#define PAGE 4096u

struct image {
	const uint8_t *at; /* the whole file */
	size_t bytes;
	uint64_t offset[SOURCE_RAM]; /* of each piece of RAM, in the file */
};

static int image_page(struct source *s, uint64_t pa, void *buf)
{
	const struct image *m = s->own;

	for (unsigned i = 0; i < s->rams; i++) {
		uint64_t at = pa - s->ram[i].start;

		if (pa >= s->ram[i].start && pa < s->ram[i].end && PAGE <= s->ram[i].end - pa) {
			memcpy(buf, m->at + m->offset[i] + at, PAGE);
			return 0;
		}
	}
	return -1;
}

static void image_close(struct source *s)
{
	struct image *m = s->own;

	if (m->at)
		munmap((void *)(uintptr_t)m->at, m->bytes);
	free(m);
	s->own = NULL;
}

static int open_image(struct source *s, const char *path)
{
	struct image *m = calloc(1, sizeof(*m));
	struct stat st;
	void *at;
	int fd;

	if (!m)
		return source_fail(s, "out of memory");
	s->own = m;
	s->page = image_page;
	s->close = image_close;
	s->stopped = true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		int err = source_fail(s, "%s: %s", path, strerror(errno));

		if (fd >= 0)
			close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)PAGE) {
		close(fd);
		return source_fail(s, "%s: not a file of at least one page", path);
	}
	m->bytes = (size_t)st.st_size;
	at = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return source_fail(s, "%s: %s", path, strerror(errno));
	m->at = at;
	return 0;
}

int source_raw(struct source *s, const char *path, uint64_t cr3, bool five_levels)
{
	struct source_cpu *c = &s->cpu[0];

	if (open_image(s, path))
		return -1;
	s->rams = 1;
	s->ram[0].end = ((struct image *)s->own)->bytes / PAGE * PAGE;
	s->cpus = 1;
	c->cr3 = cr3;
	c->cr4 = five_levels ? UINT64_C(1) << 12 : 0;
	c->known = KAISER_KNOWN_CR3 | (five_levels ? KAISER_KNOWN_CR4 : 0);
	c->paging = true;
	c->cpl = 3;
	return 0;
}

/* ---- QEMU's ELF core ---- */

/* The note named QEMU: version, size, 18 registers, 10 segments, cr0 to cr4, the kernel's GS. */
#define NOTE_SEGMENTS (8 + 18 * 8)
#define NOTE_CR       (NOTE_SEGMENTS + 10 * 24)
#define NOTE_GS       (NOTE_CR + 5 * 8)
#define NOTE_BYTES    (NOTE_GS + 8)

enum { NOTE_CS, NOTE_GS_SEGMENT = 4, NOTE_LDT = 6, NOTE_TR, NOTE_GDT, NOTE_IDT };

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static struct source_segment note_segment(const uint8_t *note, unsigned i)
{
	const uint8_t *p = note + NOTE_SEGMENTS + 24 * i;
	struct source_segment s;
	uint32_t v;

	memcpy(&v, p, 4);
	s.selector = v;
	memcpy(&v, p + 4, 4);
	s.limit = v;
	s.base = word(p + 16);
	return s;
}

static void note_cpu(struct source_cpu *c, const uint8_t *note, size_t bytes)
{
	memset(c, 0, sizeof(*c));
	for (c->regs = 0; c->regs < 16; c->regs++)
		c->reg[c->regs] = word(note + 8 + c->regs * 8);
	c->rsp = word(note + 8 + 6 * 8);
	c->rip = word(note + 8 + 16 * 8);
	c->rflags = word(note + 8 + 17 * 8);
	c->cs = note_segment(note, NOTE_CS);
	c->gs = note_segment(note, NOTE_GS_SEGMENT);
	c->ldt = note_segment(note, NOTE_LDT);
	c->tr = note_segment(note, NOTE_TR);
	c->gdt = note_segment(note, NOTE_GDT);
	c->idt = note_segment(note, NOTE_IDT);
	c->cr0 = word(note + NOTE_CR);
	c->cr3 = word(note + NOTE_CR + 24);
	c->cr4 = word(note + NOTE_CR + 32);
	c->cpl = c->cs.selector & 3;
	c->paging = (c->cr0 >> 31 & 1) && (c->cr4 >> 5 & 1);
	c->known = KAISER_KNOWN_CR3 | KAISER_KNOWN_CR4 | KAISER_KNOWN_IDT | KAISER_KNOWN_GDT |
		   KAISER_KNOWN_TR;
	if (bytes >= NOTE_BYTES) {
		c->kernel_gs = word(note + NOTE_GS);
		c->known |= KAISER_KNOWN_GS;
	}
}

static int read_notes(struct source *s, const uint8_t *p, size_t n)
{
	while (n >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name, desc;

		memcpy(&h, p, sizeof(h));
		name = ((size_t)h.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)h.n_descsz + 3) & ~(size_t)3;
		if (name > n - sizeof(h) || desc > n - sizeof(h) - name)
			return source_fail(s, "the dump's notes are cut off");
		if (h.n_namesz == 5 && !memcmp(p + sizeof(h), "QEMU", 5) && h.n_type == 0 &&
		    h.n_descsz >= NOTE_GS) {
			if (s->cpus == SOURCE_CPUS)
				return source_fail(s, "the dump has more than %d CPUs",
						   SOURCE_CPUS);
			note_cpu(&s->cpu[s->cpus++], p + sizeof(h) + name, h.n_descsz);
		}
		p += sizeof(h) + name + desc;
		n -= sizeof(h) + name + desc;
	}
	return 0;
}

static int take_segment(struct source *s, const Elf64_Phdr *ph)
{
	struct image *m = s->own;

	if (ph->p_type == PT_NOTE)
		return read_notes(s, m->at + ph->p_offset, ph->p_filesz);
	if (ph->p_type != PT_LOAD || ph->p_filesz < PAGE)
		return 0;
	if (s->rams == SOURCE_RAM)
		return source_fail(s, "the dump's memory is in too many pieces");
	if (ph->p_paddr % PAGE || ph->p_paddr >> 52)
		return source_fail(s, "the dump has memory at an impossible address");
	s->ram[s->rams].start = ph->p_paddr;
	s->ram[s->rams].end = ph->p_paddr + ph->p_filesz / PAGE * PAGE;
	m->offset[s->rams++] = ph->p_offset;
	return 0;
}

int source_dump(struct source *s, const char *path)
{
	const struct image *m;
	Elf64_Ehdr e;

	if (open_image(s, path))
		return -1;
	m = s->own;
	memcpy(&e, m->at, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_type != ET_CORE || e.e_machine != EM_X86_64 ||
	    e.e_phentsize != sizeof(Elf64_Phdr))
		return source_fail(s, "%s: no dump of an x86-64 guest", path);
	if (e.e_phoff > m->bytes || e.e_phnum > (m->bytes - e.e_phoff) / sizeof(Elf64_Phdr))
		return source_fail(s, "%s: the dump is cut off", path);
	for (unsigned i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, m->at + e.e_phoff + i * sizeof(ph), sizeof(ph));
		if ((ph.p_type == PT_LOAD || ph.p_type == PT_NOTE) &&
		    (ph.p_offset > m->bytes || ph.p_filesz > m->bytes - ph.p_offset))
			return source_fail(s, "%s: the dump is cut off", path);
		if (take_segment(s, &ph))
			return -1;
	}
	if (!s->cpus)
		return source_fail(s, "%s: the dump has no note of QEMU's about its CPUs", path);
	return 0;
}
