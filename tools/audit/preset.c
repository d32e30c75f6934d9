/* SPDX-License-Identifier: MIT */
/* What is known of some kernels: it explains findings and hides none. */
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

struct place {
	uint64_t start, end;    /* last byte */
	unsigned with, without; /* rights it must have, and must not */
	const char *text;
};

struct saying {
	const char *check, *text;
};

struct preset {
	const char *name;
	uint64_t switch_bit;
	const struct place *place;
	const struct saying *saying;
};

static const struct place linux_places[] = {
	{0xffff888000000000, 0xffffc87fffffffff, 0, 0,
	 "the direct map; with KASLR it may begin elsewhere"},
	{0xfffffe0000000000, 0xfffffe0000000fff, 0, 0, "cpu_entry_area: the IDT"},
	{0xfffffe0000001000, 0xfffffe7fffffffff, KAISER_MAY_WRITE, 0,
	 "cpu_entry_area: entry and exception stacks; every CPU's are mapped for every process"},
	{0xfffffe0000001000, 0xfffffe7fffffffff, 0, KAISER_MAY_WRITE,
	 "cpu_entry_area: a GDT, a TSS; every CPU's are mapped for every process"},
	{0xffffff0000000000, 0xffffff7fffffffff, 0, 0, "espfix stacks"},
	{0xffffffff80000000, 0xffffffff9fffffff, KAISER_MAY_EXEC, KAISER_MAY_WRITE,
	 "kernel text: entry code is cloned by 2 MiB (without PCID all text is, unless pti=on)"},
	{0xffffffff80000000, 0xffffffffbfffffff, 0, KAISER_MAY_WRITE, "kernel read-only data"},
	{0xffffffffff600000, 0xffffffffff600fff, 0, 0, "the vsyscall page"},
	{0xffff800000000000, 0xfffffdffffffffff, KAISER_MAY_WRITE, KAISER_MAY_EXEC,
	 "direct map or vmalloc: one page a CPU is cloned for its TSS (pti_clone_user_shared)"},
	{0, 0, 0, 0, NULL},
};

static const struct saying linux_sayings[] = {
	{"isolated", "Linux: pti=off, or a CPU that it holds not vulnerable (pti=on forces it)"},
	{"foreign", "Linux shares the tables of cpu_entry_area between all processes and CPUs"},
	{"kaslr", "Linux: entry text lies at a fixed distance from the kernel's base "
		  "(EntryBleed, CVE-2022-4543), and each CPU's TSS page in the direct map"},
	{"pointers", "Linux: the IDT and TSS hold kernel addresses, and entry text branches out"},
	{"allowlist", "Linux maps 2 MiB of entry text, and every CPU's entry area"},
	{NULL, NULL},
};

static const struct saying kaiser_sayings[] = {
	{"isolated", "KAISER: pti=off or nopti, or a process that opted out"},
	{NULL, NULL},
};

static const struct place freebsd_places[] = {
	{0xffffffff80000000, 0xffffffffffffffff, KAISER_MAY_EXEC, 0,
	 "kernel text: FreeBSD's PTI maps all of it"},
	{0xffffffff80000000, 0xffffffffffffffff, 0, KAISER_MAY_EXEC,
	 "per-CPU data, IDT, GDT, TSS, interrupt stacks"},
	{0xfffffe0000000000, 0xfffffeffffffffff, 0, 0,
	 "kernel map: per-CPU data and interrupt stacks"},
	{0, 0, 0, 0, NULL},
};

static const struct saying freebsd_sayings[] = {
	{"isolated", "FreeBSD: vm.pmap.pti=0, or a CPU that it holds not vulnerable"},
	{"foreign", "FreeBSD's pti_pml4 has every CPU's areas"},
	{"allowlist", "FreeBSD maps all kernel text and all per-CPU data"},
	{NULL, NULL},
};

static const struct preset presets[] = {
	{"linux", 0x1000, linux_places, linux_sayings},
	{"kaiser", 0x1000, NULL, kaiser_sayings},
	{"freebsd", 0, freebsd_places, freebsd_sayings},
};

static const struct preset *find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(presets) / sizeof(presets[0]); i++)
		if (!strcmp(presets[i].name, name))
			return &presets[i];
	return NULL;
}

bool preset_exists(const char *name)
{
	return find(name) != NULL;
}

uint64_t preset_switch_bit(const char *name)
{
	const struct preset *p = find(name);

	return p ? p->switch_bit : 0;
}

const char *preset_range(const char *preset, uint64_t start, uint64_t end, unsigned rights)
{
	const struct preset *p = find(preset);

	for (const struct place *at = p ? p->place : NULL; at && at->text; at++)
		if (start >= at->start && end - 1 <= at->end && (rights & at->with) == at->with &&
		    !(rights & at->without))
			return at->text;
	return NULL;
}

const char *preset_check(const char *preset, const char *check)
{
	const struct preset *p = find(preset);

	for (const struct saying *at = p ? p->saying : NULL; at && at->check; at++)
		if (!strcmp(at->check, check))
			return at->text;
	return NULL;
}
