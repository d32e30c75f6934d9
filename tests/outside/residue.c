/* SPDX-License-Identifier: MIT */
/*
 * What a process leaves for the next one on its CPU. /pattern keeps a pattern in all its registers
 * on every path into the kernel; /other runs on the same CPU; NMIs hit both at any instruction. At
 * moments at which /other is in user mode, nothing its root can read may hold the pattern.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kaiser/layout.h>

#include "guest/residue.h"
#include "tap.h"
#include "walk.h"

#define SAMPLES 400 /* of /other, wanted */
#define ENOUGH  100
#define SECONDS 20
#define NMIS    8 /* before each sample */
#define SHOWN   8

#define NMI_COUNT 48 /* offset of nmi_count in struct cpu */

struct look {
	const struct vm *vm;
	const struct walk_root *root;
	bool supervisor_only, show;
	unsigned long pages, found;
};

static bool is_pattern(uint32_t v)
{
	return (v & PATTERN_MASK) == PATTERN_LOW || (v & PATTERN_MASK) == PATTERN_HIGH;
}

static int scan_leaf(void *arg, const struct walk_leaf *leaf)
{
	struct look *l = arg;
	uint8_t last[3 + WALK_PAGE];

	if (l->supervisor_only && leaf->user)
		return 0;
	for (uint64_t o = 0; o < leaf->size; o += WALK_PAGE) {
		const uint8_t *page = vm_memory(l->vm, leaf->pa + o, WALK_PAGE);

		if (!page)
			continue;
		l->pages++;
		memcpy(last, page, WALK_PAGE);
		for (unsigned i = 0; i + 4 <= WALK_PAGE; i++) {
			uint32_t v;

			memcpy(&v, last + i, 4);
			if (is_pattern(v) && l->found++ < SHOWN && l->show)
				printf("# %08x at %#lx, a page of %s\n", v, leaf->va + o + i,
				       leaf->user ? "user mode" : "the kernel");
		}
	}
	return 0;
}

/* How often the pattern is in what this CPU's root maps. */
static unsigned long scan(const struct vm *vm, const struct vm_cpu *cpu, bool supervisor_only,
			  bool show, unsigned long *pages)
{
	const struct walk_root root = walk_root(vm, cpu, cpu->cr3);
	struct look l = {.vm = vm, .root = &root, .supervisor_only = supervisor_only, .show = show};

	walk_all(&root, scan_leaf, &l);
	*pages = l.pages;
	return l.found;
}

struct totals {
	unsigned long others, patterns, found_other, found_pattern, own_pages, nmis;
	uint64_t nmis_handled;
	unsigned long most_pages;
	uint64_t data[64];
};

/* How many NMIs CPU 0 has handled: kernel/include/cpu.h, struct cpu, in memory of the kernel alone.
 */
static uint64_t nmis_handled(const struct vm *vm, const struct vm_cpu *cpu)
{
	const struct walk_root root = walk_root(vm, cpu, cpu->cr3 & ~(uint64_t)KAISER_SWITCH_BIT);
	struct walk_leaf leaf;
	const uint8_t *p = NULL;
	uint64_t n = 0;

	if (walk_to(&root, cpu->gdt.base + KAISER_CPU_HOST, &leaf))
		p = vm_memory(vm, leaf.pa, WALK_PAGE);
	if (p)
		memcpy(&n, p + NMI_COUNT, 8);
	return n;
}

static void look_once(struct vm *vm, struct totals *t)
{
	const struct vm_cpu *cpu = vm_registers(vm);
	struct walk_root root = walk_root(vm, cpu, cpu->cr3);
	struct walk_leaf leaf;
	unsigned long pages;

	if (cpu->cpl != 3)
		return;
	t->nmis_handled = nmis_handled(vm, cpu);
	if (cpu->reg[15] == OTHER_R15) {
		t->others++;
		t->found_other += scan(vm, cpu, false, t->found_other < SHOWN, &pages);
		t->most_pages = pages > t->most_pages ? pages : t->most_pages;
	} else if (is_pattern((uint32_t)cpu->reg[15]) && is_pattern((uint32_t)cpu->rip)) {
		t->patterns++;
		t->found_pattern += scan(vm, cpu, true, false, &pages) != 0;
		t->own_pages += scan(vm, cpu, false, false, &pages) != 0;
		if (walk_to(&root, PATTERN_DATA, &leaf))
			memcpy(t->data, vm_memory(vm, leaf.pa + (PATTERN_DATA - leaf.va), 512),
			       512);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run(struct vm_config *config, const char *name)
{
	static const struct {
		unsigned signal;
		const char *paths;
	} taken[] = {{4, "invalid instructions"},
		     {5, "breakpoints and single steps"},
		     {11, "general protection and page faults"}};
	struct totals t = {0};
	struct vm *vm = vm_start(config);
	double end;

	vm_wait_text(vm, "outside: ready", NULL, 0, 60);
	for (end = now() + SECONDS;
	     now() < end && (t.others < SAMPLES || t.patterns < ENOUGH / 4);) {
		vm_go(vm);
		for (int i = 0; i < NMIS; i++, t.nmis++) {
			vm_nmi(vm);
			nanosleep(&(struct timespec){0, random() % 700000}, NULL);
		}
		vm_stop(vm);
		look_once(vm, &t);
	}
	vm_end(vm);
	tap_result(t.others >= ENOUGH,
		   "%s: the other process was looked at %lu times, up to %lu pages", name, t.others,
		   t.most_pages);
	tap_result(t.others && !t.found_other, "%s: nothing it can read holds the pattern", name);
	tap_result(t.own_pages && t.own_pages == t.patterns,
		   "%s: the pattern is found in its own process's pages, %lu times of %lu", name,
		   t.own_pages, t.patterns);
	printf("# %s: while it runs its own CPU's window holds its pattern %lu times of %lu\n",
	       name, t.found_pattern, t.patterns);
	tap_result(t.data[DATA_ROUNDS] >= 20, "%s: %lu rounds, each ended asleep", name,
		   t.data[DATA_ROUNDS]);
	for (unsigned i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		tap_result(t.data[DATA_SIGNALS + taken[i].signal] + 2 >= t.data[DATA_ROUNDS],
			   "%s: %lu %s", name, t.data[DATA_SIGNALS + taken[i].signal],
			   taken[i].paths);
	tap_result(t.nmis_handled >= t.nmis / 2, "%s: %lu NMIs sent, %lu handled", name, t.nmis,
		   t.nmis_handled);
}

int main(int argc, char **argv)
{
	struct vm_config config = {
		.machine = "microvm",
		.cpu = "max,vendor=GenuineIntel",
		.append = "pti=on",
		.megabytes = 128,
		.cpus = 1,
		.one_insn = true,
	};

	if (argc != 3) {
		fprintf(stderr, "usage: residue KERNEL INITRD\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(240);
	config.kernel = argv[1];
	config.initrd = argv[2];
	run(&config, "1 CPU, events at each instruction");
	config.one_insn = false;
	config.cpus = 2;
	config.machine = "pc";
	run(&config, "2 CPUs");
	return tap_end();
}
