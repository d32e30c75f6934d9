/* SPDX-License-Identifier: MIT */
/* An ELF file: its names by ../lib/symbols.c, its lines by elfutils, its writable memory. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwfl.h>

#include "storm.h"

struct storm_image {
	struct symbols *symbols;
	Dwfl *dwfl;
	uint64_t data[MAX_RANGES][2];
	unsigned ranges;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static void read_segments(struct storm_image *i, Dwfl_Module *module)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(module, &bias);
	size_t n = 0;

	if (!elf || elf_getphdrnum(elf, &n))
		return;
	for (size_t k = 0; k < n && i->ranges < MAX_RANGES; k++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)k, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_W))
			continue;
		i->data[i->ranges][0] = ph.p_vaddr;
		i->data[i->ranges++][1] = ph.p_vaddr + ph.p_memsz;
	}
}

struct storm_image *storm_image_open(const char *path, char *error, size_t size)
{
	struct storm_image *i = calloc(1, sizeof(*i));
	Dwfl_Module *module = NULL;

	if (!i)
		return NULL;
	/* Without symbols the file of paths has to name addresses. */
	i->symbols = symbols_open(path, error, size);
	i->dwfl = dwfl_begin(&callbacks);
	if (i->dwfl) {
		dwfl_report_begin(i->dwfl);
		/* Left where it was linked. */
		module = dwfl_report_elf(i->dwfl, "image", path, -1, 0, true);
		dwfl_report_end(i->dwfl, NULL, NULL);
	}
	if (module)
		read_segments(i, module);
	if (!i->symbols && access(path, R_OK)) {
		storm_image_close(i);
		return NULL;
	}
	return i;
}

void storm_image_close(struct storm_image *i)
{
	if (!i)
		return;
	symbols_close(i->symbols);
	if (i->dwfl)
		dwfl_end(i->dwfl);
	free(i);
}

bool storm_image_find(const struct storm_image *i, const char *name, uint64_t *va)
{
	char *end;

	if (i && symbols_find(i->symbols, name, va))
		return true;
	*va = strtoull(name, &end, 0);
	return *name && !*end;
}

void storm_image_place(const struct storm_image *i, uint64_t va, char *buf, size_t size)
{
	Dwfl_Line *line = i->dwfl ? dwfl_getsrc(i->dwfl, va) : NULL;
	const char *file = NULL;
	int number = 0;
	size_t n;

	symbols_name(i->symbols, va, buf, size);
	if (!buf[0])
		snprintf(buf, size, "%#" PRIx64, va);
	if (line)
		file = dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
	n = strlen(buf);
	if (file)
		snprintf(buf + n, size - n, " (%s:%d)",
			 strrchr(file, '/') ? strrchr(file, '/') + 1 : file, number);
}

/* The part of the file that is loaded at va. */
static Elf *segment(const struct storm_image *i, uint64_t va, GElf_Phdr *ph)
{
	Dwfl_Module *module = i->dwfl ? dwfl_addrmodule(i->dwfl, va) : NULL;
	GElf_Addr bias;
	Elf *elf = module ? dwfl_module_getelf(module, &bias) : NULL;
	size_t n = 0;

	if (!elf || elf_getphdrnum(elf, &n))
		return NULL;
	for (size_t k = 0; k < n; k++)
		if (gelf_getphdr(elf, (int)k, ph) && ph->p_type == PT_LOAD && va >= ph->p_vaddr &&
		    va - ph->p_vaddr < ph->p_memsz)
			return elf;
	return NULL;
}

int storm_image_byte(const struct storm_image *i, uint64_t va)
{
	GElf_Phdr ph;
	Elf *elf = segment(i, va, &ph);
	size_t size;
	const char *file = elf ? elf_rawfile(elf, &size) : NULL;

	if (!file || va - ph.p_vaddr >= ph.p_filesz || ph.p_offset + (va - ph.p_vaddr) >= size)
		return -1;
	return (unsigned char)file[ph.p_offset + (va - ph.p_vaddr)];
}

bool storm_image_physical(const struct storm_image *i, uint64_t va, uint64_t *pa)
{
	GElf_Phdr ph;

	if (!segment(i, va, &ph))
		return false;
	*pa = ph.p_paddr + (va - ph.p_vaddr);
	return true;
}

unsigned storm_image_data(const struct storm_image *i, uint64_t (*range)[2], unsigned max)
{
	unsigned n = i->ranges < max ? i->ranges : max;

	memcpy(range, i->data, n * sizeof(*range));
	return n;
}
