/* SPDX-License-Identifier: MIT */
/*
 * The page-table walk: SDM volume 3, 4.5. It believes nothing that it reads. A table reached
 * through itself is not entered again, so the depth is bounded by the levels; what is not bounded
 * by them, many entries that lead to one table, is bounded by the number of tables visited.
 */
#include "verify_internal.h"

#define ENTRIES     512
#define CHUNK       16 /* entries read at a time */
#define LEVELS_MAX  5
#define TABLE_LIMIT 65536

/* Rights that grow by being absent: NX. */
#define RIGHTS_ALL (KAISER_MAY_WRITE | KAISER_MAY_EXEC | KAISER_MAY_USER)

unsigned kaiser_levels(const struct kaiser_machine *m)
{
	return known(m, KAISER_KNOWN_CR4) && (m->cr4 & (UINT64_C(1) << 12)) ? 5 : 4;
}

uint64_t kaiser_root_of(uint64_t cr3)
{
	return cr3 & PTE_ADDR;
}

static unsigned va_bits(const struct kaiser_machine *m)
{
	return 12 + 9 * kaiser_levels(m);
}

bool kaiser_canonical(const struct kaiser_machine *m, uint64_t va)
{
	uint64_t top = va >> (va_bits(m) - 1);

	return top == 0 || top == UINT64_MAX >> (va_bits(m) - 1);
}

bool kaiser_kernel_address(const struct kaiser_machine *m, uint64_t va)
{
	return va >> 63 && kaiser_canonical(m, va);
}

uint64_t kaiser_table_address(const struct kaiser_machine *m, uint64_t entry)
{
	return entry & PTE_ADDR & ~m->enc_mask;
}

/* NX may be set only where EFER.NXE is. */
bool kaiser_nx_usable(const struct kaiser_machine *m)
{
	return !known(m, KAISER_KNOWN_EFER) || (m->efer & (1u << 11));
}

static uint64_t span(unsigned level)
{
	return UINT64_C(1) << (12 + 9 * level);
}

static bool is_leaf(unsigned level, uint64_t entry)
{
	return level == 0 || ((level == 1 || level == 2) && (entry & PTE_PS));
}

static unsigned rights_of(const struct kaiser_machine *m, unsigned above, uint64_t entry, bool leaf)
{
	unsigned r = above & RIGHTS_ALL;

	if (!(entry & PTE_W))
		r &= ~(unsigned)KAISER_MAY_WRITE;
	if (!(entry & PTE_U))
		r &= ~(unsigned)KAISER_MAY_USER;
	if ((entry & PTE_NX) && kaiser_nx_usable(m))
		r &= ~(unsigned)KAISER_MAY_EXEC;
	if (leaf && (entry & PTE_G))
		r |= KAISER_IS_GLOBAL;
	return r;
}

static bool beyond(const struct kaiser_machine *m, uint64_t entry)
{
	uint64_t addr = kaiser_table_address(m, entry);

	return m->pa_bits >= 12 && m->pa_bits < 52 && addr >> m->pa_bits;
}

static bool reserved(const struct kaiser_machine *m, unsigned level, uint64_t entry)
{
	if ((entry & PTE_NX) && !kaiser_nx_usable(m))
		return true;
	if (level >= 3)
		return entry & PTE_PS;
	if (level > 0 && (entry & PTE_PS)) /* bit 12 is PAT */
		return kaiser_table_address(m, entry) & (span(level) - 1) & ~PAGE;
	return false;
}

/* Everything about one entry but what lies below it. */
static void look_at(const struct kaiser_machine *m, struct kaiser_visit *v, unsigned above)
{
	bool leaf = is_leaf(v->level, v->entry);

	v->rights = rights_of(m, above, v->entry, leaf);
	v->pa = kaiser_table_address(m, v->entry);
	if (leaf)
		v->pa &= ~(span(v->level) - 1);
	if (!(v->entry & PTE_P))
		v->kind = KAISER_VISIT_NOT_PRESENT;
	else if (reserved(m, v->level, v->entry))
		v->kind = KAISER_VISIT_RESERVED;
	else if (beyond(m, v->entry))
		v->kind = KAISER_VISIT_BEYOND;
	else
		v->kind = leaf ? KAISER_VISIT_LEAF : KAISER_VISIT_TABLE;
}

bool kaiser_is_visible(const struct kaiser_machine *m, const struct kaiser_visit *v)
{
	return v->kind == KAISER_VISIT_LEAF &&
	       (!(v->rights & KAISER_MAY_USER) || kaiser_kernel_address(m, v->va));
}

struct walk {
	const struct kaiser_machine *m;
	kaiser_visit_fn fn;
	void *arg;
	enum kaiser_half half;
	bool top_only;
	unsigned top; /* level of the root's entries */
	unsigned tables_left;
	uint64_t path[LEVELS_MAX]; /* tables above, by level */
};

static bool on_path(const struct walk *w, unsigned level, uint64_t table)
{
	for (unsigned l = level; l <= w->top; l++)
		if (w->path[l] == table)
			return true;
	return false;
}

static int walk_table(struct walk *w, uint64_t table, unsigned level, uint64_t va, unsigned above);

static bool descends(const struct walk *w, const struct kaiser_visit *v)
{
	if (v->kind != KAISER_VISIT_TABLE || w->top_only)
		return false;
	return w->m->user_half_stable || kaiser_kernel_address(w->m, v->va);
}

static int walk_entry(struct walk *w, struct kaiser_visit *v, unsigned above)
{
	int err;

	look_at(w->m, v, above);
	if (v->kind == KAISER_VISIT_TABLE && on_path(w, v->level, v->pa)) {
		v->kind = KAISER_VISIT_LOOP;
		return w->fn(w->arg, v);
	}
	if (descends(w, v)) {
		uint8_t probe;
		if (w->m->read(w->m->ctx, v->pa, &probe, 1)) {
			v->kind = KAISER_VISIT_UNREADABLE;
			return w->fn(w->arg, v);
		}
		if (w->tables_left == 0) {
			v->kind = KAISER_VISIT_LIMIT;
			err = w->fn(w->arg, v);
			return err ? err : 1;
		}
		w->tables_left--;
	} else {
		return w->fn(w->arg, v);
	}
	err = w->fn(w->arg, v);
	return err ? err : walk_table(w, v->pa, v->level - 1, v->va, v->rights);
}

static uint64_t sign_extend(const struct walk *w, uint64_t va)
{
	unsigned bits = va_bits(w->m);

	return va >> (bits - 1) & 1 ? va | UINT64_MAX << bits : va;
}

static int walk_table(struct walk *w, uint64_t table, unsigned level, uint64_t va, unsigned above)
{
	unsigned first = 0, last = ENTRIES;

	w->path[level] = table;
	if (level == w->top) {
		first = w->half & KAISER_USER_HALF ? 0 : ENTRIES / 2;
		last = w->half & KAISER_KERNEL_HALF ? ENTRIES : ENTRIES / 2;
	}
	for (unsigned i = first; i < last; i += CHUNK) {
		uint64_t e[CHUNK];
		if (w->m->read(w->m->ctx, table + i * 8, e, sizeof(e))) {
			struct kaiser_visit v = {.kind = KAISER_VISIT_UNREADABLE,
						 .level = level,
						 .va = sign_extend(w, va + i * span(level)),
						 .size = CHUNK * span(level),
						 .pa = table};
			int err = w->fn(w->arg, &v);
			if (err)
				return err;
			continue;
		}
		for (unsigned j = 0; j < CHUNK; j++) {
			struct kaiser_visit v = {.level = level,
						 .va = sign_extend(w, va + (i + j) * span(level)),
						 .size = span(level),
						 .entry = e[j]};
			int err = e[j] ? walk_entry(w, &v, above) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

int kaiser_walk(const struct kaiser_machine *m, uint64_t root, enum kaiser_half half, bool top_only,
		kaiser_visit_fn fn, void *arg)
{
	struct walk w = {
		.m = m,
		.fn = fn,
		.arg = arg,
		.half = half,
		.top_only = top_only,
		.top = kaiser_levels(m) - 1,
		.tables_left = m->table_limit ? m->table_limit : TABLE_LIMIT,
	};

	for (unsigned i = 0; i < LEVELS_MAX; i++)
		w.path[i] = UINT64_MAX;
	return walk_table(&w, kaiser_table_address(m, root), w.top, 0, RIGHTS_ALL);
}

bool kaiser_translate(const struct kaiser_machine *m, uint64_t root, uint64_t va,
		      struct kaiser_visit *v)
{
	uint64_t table = kaiser_table_address(m, root);
	unsigned rights = RIGHTS_ALL;

	for (unsigned level = kaiser_levels(m); level-- > 0;) {
		v->level = level;
		v->size = span(level);
		v->va = va & ~(span(level) - 1);
		v->entry = 0;
		v->pa = table;
		v->rights = 0;
		v->kind = KAISER_VISIT_UNREADABLE;
		if (!kaiser_canonical(m, va))
			return false;
		if (m->read(m->ctx, table + (va >> (12 + 9 * level) & 511) * 8, &v->entry, 8))
			return false;
		look_at(m, v, rights);
		if (v->kind != KAISER_VISIT_TABLE)
			return v->kind == KAISER_VISIT_LEAF;
		table = v->pa;
		rights = v->rights;
	}
	return false;
}

bool kaiser_read_virtual(const struct kaiser_machine *m, uint64_t root, uint64_t va, void *buf,
			 size_t n)
{
	char *to = buf;

	while (n > 0) {
		struct kaiser_visit v;
		size_t some = (size_t)(PAGE - (va & (PAGE - 1)));
		if (some > n)
			some = n;
		if (!kaiser_translate(m, root, va, &v) ||
		    m->read(m->ctx, v.pa + (va & (v.size - 1)), to, some))
			return false;
		va += some;
		to += some;
		n -= some;
	}
	return true;
}
