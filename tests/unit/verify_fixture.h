/* SPDX-License-Identifier: MIT */
/* A small machine for the check table: page tables in a few frames of fake physical memory, set up
 * as libkaiser sets them up, for tests to break. */
#ifndef VERIFY_FIXTURE_H
#define VERIFY_FIXTURE_H

#include <kaiser/verify.h>

#include "pte.h"

#define FX_BASE   UINT64_C(0x100000) /* physical address of the first frame */
#define FX_FRAMES 64
#define FX_WINDOW UINT64_C(0xffffffffa0000000)
#define FX_IDT    FX_WINDOW
#define FX_TEXT   (FX_WINDOW + 0x1000)
#define FX_DESC   (FX_WINDOW + 0x20000)
#define FX_TSS    (FX_DESC + 0x80)
#define FX_ENTRY  (FX_WINDOW + 0x25000)
#define FX_PRIV   (FX_WINDOW + 0x26000)
#define FX_LDT    (FX_WINDOW + 0x40000)
#define FX_KTEXT  UINT64_C(0xffffffff81000000) /* kernel code, in the kernel root alone */
#define FX_DIRECT UINT64_C(0xffff888000000000) /* the first 2 MiB of memory, likewise */
#define FX_USER   UINT64_C(0x400000)

struct fixture {
	uint8_t mem[FX_FRAMES][4096];
	unsigned next; /* free frame */
	unsigned levels;
	struct kaiser_machine m;
	struct kaiser_allowed allowed[5]; /* the last for an LDT */
	struct kaiser_boot boot[3];
	uint64_t visible[3][4]; /* of each boot */
	uint64_t others;        /* what another process had in a register */
	uint64_t kroot, uroot;
	uint64_t idt, text_user, text_kernel, desc, entry, priv, ktext, user, foreign, spare;
	/* what the last run found */
	unsigned found[32]; /* errors, by check */
	unsigned warned[32], unknown[32], informed[32];
	unsigned long reads;
};

/* The clean machine. nx: with EFER.NXE. */
void fx_init(struct fixture *fx, unsigned levels, bool nx);
void *fx_at(struct fixture *fx, uint64_t pa);
uint64_t fx_frame(struct fixture *fx);
/* The entry for va at `level` in the tables of root, made on the way with `bits`. */
uint64_t *fx_entry(struct fixture *fx, uint64_t root, uint64_t va, unsigned level, uint64_t bits);
void fx_map(struct fixture *fx, uint64_t root, uint64_t va, uint64_t pa, uint64_t bits);
/* In both roots. */
void fx_map_both(struct fixture *fx, uint64_t va, uint64_t pa, uint64_t bits);
void fx_gate(struct fixture *fx, unsigned vector, uint64_t target, unsigned ist);
/* Runs the table; returns what kaiser_check_run() did. */
int fx_run(struct fixture *fx, const char *only);
unsigned fx_check(const char *name); /* its place in the table */

/* ---- verify_breakages.c ---- */

extern struct fixture fx; /* what they break */

struct breakage {
	const char *name;
	void (*fn)(void);
	const char *check;
	bool alone; /* no other check finds an error */
};
extern const struct breakage breakages[];
extern const unsigned breakage_count;

uint64_t *fx_leaf(uint64_t root, uint64_t va);
uint64_t *fx_top(uint64_t root, uint64_t va);
void fx_poke(uint64_t frame, unsigned offset, uint64_t value);
/* A branch at `offset` of the gate text: opcode a, or 0f b, with a 32-bit distance. */
void fx_branch(unsigned offset, uint8_t a, uint8_t b, uint64_t target);
void large_page(void);
void root_unreadable(void);

#endif
