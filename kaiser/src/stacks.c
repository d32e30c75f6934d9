/* SPDX-License-Identifier: MIT */
/* Which stack overflowed, by the hole that the access hit. */
#include "internal.h"

/* Each stack of a CPU has an unmapped page below it. */
static const struct {
	uint32_t stack;
	const char *name;
} holes[] = {
	{KAISER_CPU_ENTRY, "entry stack"},   {KAISER_CPU_DF_STACK, "#DF stack"},
	{KAISER_CPU_MC_STACK, "#MC stack"},  {KAISER_CPU_DB_STACK, "#DB stack"},
	{KAISER_CPU_NMI_STACK, "NMI stack"},
};

const char *kaiser_hole_name(const struct kaiser *k, uint64_t va)
{
	uint64_t offset = va - cpu_base(k, 0), page;

	if (offset >= (uint64_t)k->cfg.cpus * KAISER_CPU_STRIDE)
		return NULL;
	page = offset % KAISER_CPU_STRIDE / KAISER_PAGE_SIZE;
	for (unsigned i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		if (page == holes[i].stack / KAISER_PAGE_SIZE - 1)
			return holes[i].name;
	return NULL;
}
