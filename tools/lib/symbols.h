/* SPDX-License-Identifier: MIT */
/* Names of addresses, from an ELF's symbol table, moved by as much as the kernel was. */
#ifndef TOOLS_SYMBOLS_H
#define TOOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbols;

/* NULL and a sentence in error if it cannot be read. */
struct symbols *symbols_open(const char *path, char *error, size_t size);
void symbols_close(struct symbols *s);
void symbols_set_offset(struct symbols *s, uint64_t offset);
/* Guesses by how far the kernel was moved, from addresses that must be functions. */
bool symbols_find_offset(struct symbols *s, const uint64_t *code, unsigned n, uint64_t *offset);
/* "name+0x12", or "" if it is nothing known. */
void symbols_name(const struct symbols *s, uint64_t va, char *buf, size_t size);
bool symbols_find(const struct symbols *s, const char *name, uint64_t *va);
/* From the first to behind the last; nothing is written if there are none. */
void symbols_extent(const struct symbols *s, uint64_t *start, uint64_t *end);

#endif
