/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "tlb.h"

int tlb_init(struct tlb *t, unsigned entries, unsigned ways)
{
	if (!ways || entries % ways)
		return -1;
	*t = (struct tlb){.entries = entries, .ways = ways};
	t->entry = calloc(entries, sizeof(*t->entry));
	return t->entry ? 0 : -1;
}

void tlb_free(struct tlb *t)
{
	free(t->entry);
	t->entry = NULL;
}

void tlb_flush(struct tlb *t)
{
	for (unsigned i = 0; i < t->entries; i++)
		t->entry[i].key = 0;
}

static uint64_t key_of(uint64_t page, unsigned tag)
{
	return (page << 8 | tag) + 1;
}

static unsigned set_of(const struct tlb *t, uint64_t page)
{
	return (unsigned)(page % (t->entries / t->ways)) * t->ways;
}

bool tlb_look(struct tlb *t, uint64_t page, unsigned tag)
{
	unsigned set = set_of(t, page);

	for (unsigned i = set; i < set + t->ways; i++) {
		if (t->entry[i].key == key_of(page, tag)) {
			t->entry[i].used = ++t->clock;
			return true;
		}
	}
	return false;
}

void tlb_fill(struct tlb *t, uint64_t page, unsigned tag)
{
	unsigned set = set_of(t, page), oldest = set;

	for (unsigned i = set; i < set + t->ways; i++) {
		if (!t->entry[i].key) {
			oldest = i;
			break;
		}
		if (t->entry[i].used < t->entry[oldest].used)
			oldest = i;
	}
	t->entry[oldest].key = key_of(page, tag);
	t->entry[oldest].used = ++t->clock;
}

void tlb_drop(struct tlb *t, uint64_t page, unsigned tag)
{
	unsigned set = set_of(t, page);

	for (unsigned i = set; i < set + t->ways; i++)
		if (t->entry[i].key == key_of(page, tag))
			t->entry[i].key = 0;
}
