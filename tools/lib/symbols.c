/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gelf.h>

#include "symbols.h"

#define REACH UINT64_C(0x100000) /* how far behind a symbol an address may be called after it */

struct symbol {
	uint64_t va, size;
	char *name;
};

struct symbols {
	struct symbol *at;
	size_t count;
	uint64_t offset;
};

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

static bool add(struct symbols *s, const GElf_Sym *sym, const char *name)
{
	unsigned type = GELF_ST_TYPE(sym->st_info);

	if (!name || !*name || !sym->st_value || sym->st_shndx == SHN_UNDEF ||
	    sym->st_shndx == SHN_ABS || type > STT_FUNC)
		return true;
	if (s->count % 4096 == 0) {
		struct symbol *more = realloc(s->at, (s->count + 4096) * sizeof(*more));

		if (!more)
			return false;
		s->at = more;
	}
	s->at[s->count].va = sym->st_value;
	s->at[s->count].size = sym->st_size;
	s->at[s->count].name = strdup(name);
	return s->at[s->count++].name != NULL;
}

static bool read_tables(struct symbols *s, Elf *elf)
{
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
		GElf_Shdr sh;
		Elf_Data *data;
		GElf_Sym sym;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB || !sh.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		for (size_t i = 0; data && i < sh.sh_size / sh.sh_entsize && i < INT32_MAX; i++)
			if (gelf_getsym(data, (int)i, &sym) &&
			    !add(s, &sym, elf_strptr(elf, sh.sh_link, sym.st_name)))
				return false;
	}
	return true;
}

struct symbols *symbols_open(const char *path, char *error, size_t size)
{
	struct symbols *s = calloc(1, sizeof(*s));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = NULL;
	bool good = false;

	if (fd >= 0 && elf_version(EV_CURRENT) != EV_NONE)
		elf = elf_begin(fd, ELF_C_READ, NULL);
	if (s && elf && elf_kind(elf) == ELF_K_ELF)
		good = read_tables(s, elf);
	if (elf)
		elf_end(elf);
	if (fd >= 0)
		close(fd);
	if (good && s->count) {
		qsort(s->at, s->count, sizeof(*s->at), by_address);
		return s;
	}
	snprintf(error, size, "%s: no ELF file with symbols", path);
	symbols_close(s);
	return NULL;
}

void symbols_close(struct symbols *s)
{
	for (size_t i = 0; s && i < s->count; i++)
		free(s->at[i].name);
	if (s)
		free(s->at);
	free(s);
}

void symbols_set_offset(struct symbols *s, uint64_t offset)
{
	s->offset = offset;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

bool symbols_find_offset(struct symbols *s, const uint64_t *code, unsigned n, uint64_t *offset)
{
	size_t count = 0, max = 0, best = 0;
	uint64_t *all = NULL;

	for (unsigned i = 0; i < n; i++) {
		for (size_t k = 0; k < s->count; k++) {
			uint64_t d = code[i] - s->at[k].va;

			if (d & 0xfff)
				continue;
			if (count == max) {
				uint64_t *more = realloc(all, (max + 65536) * sizeof(*more));

				if (!more)
					break;
				all = more;
				max += 65536;
			}
			all[count++] = d;
		}
	}
	if (count)
		qsort(all, count, sizeof(*all), by_value);
	for (size_t i = 0, first = 0; i < count; i++) {
		if (all[i] != all[first])
			first = i;
		if (i - first + 1 > best) {
			best = i - first + 1;
			*offset = all[i];
		}
	}
	free(all);
	return best >= 3 && best * 2 >= n;
}

static const struct symbol *at_or_before(const struct symbols *s, uint64_t va)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->at[middle].va <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &s->at[low - 1] : NULL;
}

void symbols_name(const struct symbols *s, uint64_t va, char *buf, size_t size)
{
	const struct symbol *sym = s ? at_or_before(s, va - s->offset) : NULL;
	uint64_t by = sym ? va - s->offset - sym->va : 0;

	buf[0] = 0;
	if (!sym || by >= (sym->size > REACH ? sym->size : REACH))
		return;
	snprintf(buf, size, by ? "%s+%#lx" : "%s", sym->name, by);
}

bool symbols_find(const struct symbols *s, const char *name, uint64_t *va)
{
	for (size_t i = 0; s && i < s->count; i++) {
		if (!strcmp(s->at[i].name, name)) {
			*va = s->at[i].va + s->offset;
			return true;
		}
	}
	return false;
}

void symbols_extent(const struct symbols *s, uint64_t *start, uint64_t *end)
{
	if (!s || !s->count)
		return;
	*start = (s->at[0].va + s->offset) & ~UINT64_C(0xfff);
	*end = (s->at[s->count - 1].va + s->offset + s->at[s->count - 1].size + 0xfff) &
	       ~UINT64_C(0xfff);
}
