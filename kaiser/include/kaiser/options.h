/* SPDX-License-Identifier: MIT */
/*
 * What can be chosen when the library is built: by -D (make OPTIONS=-D...) or by editing this
 * file. Library and host must be built with the same values: an installed copy of this file holds
 * those of the library beside it. tests/library.t builds each, with gcc and clang.
 *
 * KAISER_DEBUG, not defined: a trace of each CPU's last 64 transitions (vector, RIP, CR3 and GS
 *	before and after), printed at a panic, and addresses in what kaiser_verify() prints. Costs
 *	a page a CPU, and 42 instructions on each system call, 46 on each page fault.
 * KAISER_HOOKS, not defined: the gates include the host's kaiser_hooks.h, which has the macros
 *	HOOK_ENTRY and HOOK_EXIT for its own mitigations (entry/macros.inc). Costs the
 *	instructions in them, once a way in, once a way out; HOOK_EXIT twice where SYSRET gives way.
 * KAISER_MAX_CPUS, 64: the most CPUs a struct kaiser is made for, 1 to 64, since masks of CPUs
 *	are one word. Costs 8 bytes a CPU in struct kaiser.
 * KAISER_FLUSH_PAGES_MAX, 33: longer ranges are flushed whole. Lower: shorter calls to other
 *	CPUs, and more TLB misses after them. At 0 unmapping one page of a running process takes
 *	46 instructions and a CR3 write more on its CPU.
 * The numbers are what `kaiser bench` counts of the reference kernel built so (getppid, fault_anon,
 * shootdown).
 */
#ifndef KAISER_OPTIONS_H
#define KAISER_OPTIONS_H

#ifndef KAISER_MAX_CPUS
#define KAISER_MAX_CPUS 64
#endif
#if KAISER_MAX_CPUS < 1 || KAISER_MAX_CPUS > 64
#error KAISER_MAX_CPUS is 1 to 64
#endif

#ifndef KAISER_FLUSH_PAGES_MAX
#define KAISER_FLUSH_PAGES_MAX 33
#endif
#if KAISER_FLUSH_PAGES_MAX < 0
#error KAISER_FLUSH_PAGES_MAX is a number of pages
#endif

#endif
