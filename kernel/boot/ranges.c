/* SPDX-License-Identifier: MIT */
/* Sorted, merged sets of at most BOOT_MAX_RANGES physical ranges. */
#include "local.h"

static void drop(struct range_set *s, unsigned i)
{
	memmove(&s->r[i], &s->r[i + 1], (s->n - i - 1) * sizeof(s->r[0]));
	s->n--;
}

static uint64_t length(const struct boot_range *r)
{
	return r->end - r->start;
}

/* Inserts a range that overlaps none. If there is no room, the smallest of all is forgotten. */
static void insert(struct range_set *s, uint64_t start, uint64_t end)
{
	unsigned i, smallest = 0;

	if (s->n == BOOT_MAX_RANGES) {
		s->lost++;
		for (i = 1; i < s->n; i++)
			if (length(&s->r[i]) < length(&s->r[smallest]))
				smallest = i;
		if (end - start <= length(&s->r[smallest]))
			return;
		drop(s, smallest);
	}
	for (i = s->n; i > 0 && s->r[i - 1].start > start; i--)
		s->r[i] = s->r[i - 1];
	s->r[i].start = start;
	s->r[i].end = end;
	s->n++;
}

void range_add(struct range_set *s, uint64_t start, uint64_t end)
{
	unsigned i = 0;

	if (start >= end)
		return;
	while (i < s->n) {
		if (s->r[i].start <= end && start <= s->r[i].end) {
			start = MIN(start, s->r[i].start);
			end = MAX(end, s->r[i].end);
			drop(s, i);
		} else {
			i++;
		}
	}
	insert(s, start, end);
}

void range_remove(struct range_set *s, uint64_t start, uint64_t end)
{
	unsigned i = 0;

	if (start >= end)
		return;
	while (i < s->n) {
		struct boot_range old = s->r[i];

		if (old.end <= start || old.start >= end) {
			i++;
			continue;
		}
		drop(s, i);
		if (old.start < start) {
			insert(s, old.start, start);
			i++;
		}
		if (old.end > end) {
			insert(s, end, old.end);
			break;
		}
	}
}

bool range_contains(const struct range_set *s, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->r[i].start <= start && end <= s->r[i].end)
			return true;
	return false;
}

uint64_t range_total(const struct range_set *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n; i++)
		sum += length(&s->r[i]);
	return sum;
}
