/* SPDX-License-Identifier: MIT */
/*
 * A strict host for libkaiser's C on the build machine, built with KAISER_FAKE_HW. Physical
 * addresses are the addresses of its heap; its kernel half is a real table, so the check table can
 * walk it. Up to eight model CPUs, of which `cpu` is the one that runs. What no host may be asked
 * to do ends the test.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "internal.h"

#define HOST_CPUS     8
#define HOST_WINDOW   UINT64_C(0xffffffffa0000000)
#define HOST_USER_END UINT64_C(0x7ffffffff000)
#define HOST_LOG      256

struct host_invpcid {
	unsigned type;
	uint64_t pcid, va;
};

struct host_cpu {
	uint64_t cr3, cr4, cr2, dr6, dr7;
	uint64_t efer, star, lstar, cstar, fmask, gs, kernel_gs, arch_caps, s_cet, sev;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint16_t cs;
	bool irq_on;
	struct hw_table_ptr gdt, idt;
	unsigned idt_loads;
	uint64_t invlpg[HOST_LOG]; /* since host_forget_flushes() */
	struct host_invpcid invpcid[HOST_LOG];
	unsigned invlpgs, invpcids, cr3_writes, cr3_flushes, cr4_writes;
	uint64_t microcode;
	uint64_t ldt_base; /* as LDTR has it; 0: none */
	unsigned ldt_limit, ldt_loads;
};

struct host_cpuid {
	uint32_t leaf, r[4];
};

struct host {
	struct kaiser k;
	struct kaiser_config cfg;
	uint64_t *kernel_top;
	bool five_levels; /* set after host_init(), with host_five_levels() */
	unsigned cpu;
	struct host_cpu cpus[HOST_CPUS];
	struct host_cpuid cpuid[16];
	unsigned cpuids;
	unsigned allocs, maps;              /* calls so far */
	unsigned fail_alloc, fail_map;      /* which of them fails; 0: none */
	unsigned pages_live, mappings_live; /* given and not given back */
	unsigned ipis;
	uint64_t live_at_cr3; /* who was live at the last CR3 write */
	/* what the handlers were called with */
	unsigned nmis, debugs, mcs, dfs, interrupts;
	uint64_t last_dr6;
	unsigned last_vector;
};

extern struct host host;

/* All anew: an Intel CPU that needs isolation, NX, 4 levels, `cpus` CPUs, CPU 0 running. */
void host_init(unsigned cpus);
/* After host_init(): the CPUs run with CR4.LA57, on tables like that. */
void host_five_levels(void);
/* kaiser_init() and every CPU prepared and entered; fails the test otherwise. */
void host_bring_up(unsigned cpus, enum kaiser_mode mode);
/* The second half of that, after host_init(). */
void host_enter_all(unsigned cpus, enum kaiser_mode mode);
/* Gives back what the library and the host hold: nothing the library owns may be left but its own.
 */
void host_free(void);
void host_set_cpuid(uint32_t leaf, uint32_t a, uint32_t b, uint32_t c, uint32_t d);
/* After host_init(): the CPUs have PCID, and INVPCID too. */
void host_give_pcid(bool invpcid);
void host_forget_flushes(void);
struct host_cpu *host_this(void);
/* The loaded pair of a CPU: kernel root (512 entries), user root after it. */
uint64_t *host_pair(unsigned cpu);
/* What a root maps at va: the leaf; 0: nothing. */
uint64_t host_leaf(const uint64_t *root, uint64_t va);
/* A page that is the host's own, not counted. */
void *host_page(unsigned order);

#endif
