/* SPDX-License-Identifier: MIT */
/* Checks that look at the user root alone, entry by entry. */
#include "verify_internal.h"

static void walk_user_root(struct kaiser_run *r, kaiser_visit_fn fn, void *arg)
{
	kaiser_walk(r->m, kaiser_root_of(r->m->cr3), KAISER_BOTH_HALVES, false, fn, arg);
}

/* ---- tables ---- */

struct odd {
	struct kaiser_run *r;
	unsigned reported, more;
};

static int odd_visit(void *arg, const struct kaiser_visit *v)
{
	static const char *const text[] = {
		[KAISER_VISIT_RESERVED] = "an entry with a reserved bit set",
		[KAISER_VISIT_BEYOND] = "an entry with an address beyond the physical bits",
		[KAISER_VISIT_UNREADABLE] = "a table that cannot be read",
		[KAISER_VISIT_LIMIT] = "too many tables: the walk was cut short",
	};
	struct odd *o = arg;

	if (v->kind >= sizeof(text) / sizeof(text[0]) || !text[v->kind])
		return 0;
	if (o->reported < REPORT_MAX) {
		o->reported++;
		kaiser_report(o->r, &(struct kaiser_finding){
					    .check = o->r->check,
					    .severity = KAISER_ERROR,
					    .start = v->va,
					    .end = v->va + v->size,
					    .value = v->entry,
					    .text = text[v->kind],
				    });
	} else {
		o->more++;
	}
	return 0;
}

void kaiser_check_tables(struct kaiser_run *r)
{
	struct odd o = {.r = r};

	walk_user_root(r, odd_visit, &o);
	if (o.more)
		kaiser_report_text(r, KAISER_ERROR, "# more like these", o.more);
}

/* ---- leaves with rights they should not have ---- */

static int wx_visit(void *arg, const struct kaiser_visit *v)
{
	const unsigned wx = KAISER_MAY_WRITE | KAISER_MAY_EXEC;
	struct merge *g = arg;

	if (kaiser_is_visible(g->r->m, v) && (v->rights & wx) == wx)
		kaiser_merge_add(g, v->va, v->va + v->size, v->rights, v->size / PAGE, NULL);
	return 0;
}

void kaiser_check_wx(struct kaiser_run *r)
{
	struct merge g = {
		.r = r, .severity = KAISER_ERROR, .text = "# pages both writable and executable"};

	if (!kaiser_nx_usable(r->m)) {
		g.severity = KAISER_INFO;
		g.text = "NX is off, so # writable pages can be executed";
	}
	walk_user_root(r, wx_visit, &g);
	kaiser_merge_end(&g);
}

struct user_bits {
	struct kaiser_run *r;
	unsigned effective, entries; /* reported */
};

/* An entry with the bit grants nothing while one above or below it lacks it, and Linux sets it so.
 * From libkaiser it is a mistake all the same. */
static int user_bit_visit(void *arg, const struct kaiser_visit *v)
{
	struct user_bits *u = arg;
	const struct kaiser_machine *m = u->r->m;
	bool effective = v->kind == KAISER_VISIT_LEAF && (v->rights & KAISER_MAY_USER);

	if (!kaiser_kernel_address(m, v->va) || !(v->entry & PTE_U) ||
	    (v->kind != KAISER_VISIT_LEAF && v->kind != KAISER_VISIT_TABLE))
		return 0;
	if (!effective && u->entries == REPORT_MAX)
		return 0;
	if (!effective)
		u->entries++;
	kaiser_report(u->r, &(struct kaiser_finding){
				    .check = u->r->check,
				    .severity = m->foreign_kernel && !effective ? KAISER_WARNING
										: KAISER_ERROR,
				    .start = v->va,
				    .end = v->va + v->size,
				    .rights = v->rights,
				    .text = effective ? "user mode may access # pages of the "
							"kernel half"
						      : "the user bit is set in an entry of the "
							"kernel half, of # pages",
				    .number = v->size / PAGE,
			    });
	return effective && ++u->effective == REPORT_MAX;
}

void kaiser_check_user_bit(struct kaiser_run *r)
{
	struct user_bits u = {.r = r};

	kaiser_walk(r->m, kaiser_root_of(r->m->cr3), KAISER_KERNEL_HALF, false, user_bit_visit, &u);
}

/* ---- frames that should not be there ---- */

#define SEARCH_LIMIT 4000000 /* pages or entries looked at by one check */

struct foreign {
	struct merge g;
	unsigned left;
};

static int foreign_visit(void *arg, const struct kaiser_visit *v)
{
	struct foreign *f = arg;
	const struct kaiser_machine *m = f->g.r->m;

	if (!kaiser_is_visible(m, v))
		return 0;
	/* Beyond a few thousand pages other checks have said all there is to say. */
	for (uint64_t o = 0; o < v->size && o < 4096 * PAGE; o += PAGE) {
		if (f->left == 0)
			return 1;
		f->left--;
		if (m->is_foreign(m->ctx, v->pa + o))
			kaiser_merge_add(&f->g, v->va + o, v->va + o + PAGE, v->rights, 1, NULL);
	}
	return 0;
}

void kaiser_check_foreign(struct kaiser_run *r)
{
	struct foreign f = {.g = {.r = r,
				  .severity = KAISER_ERROR,
				  .text = "# pages that belong to another CPU"},
			    .left = SEARCH_LIMIT};

	if (!r->m->is_foreign) {
		kaiser_report_text(r, KAISER_UNKNOWN, "other CPUs' pages are not known", 0);
		return;
	}
	walk_user_root(r, foreign_visit, &f);
	kaiser_merge_end(&f.g);
	if (!f.left)
		kaiser_report_text(r, KAISER_UNKNOWN, "not every page was looked at", 0);
}

static int not_present_visit(void *arg, const struct kaiser_visit *v)
{
	if (v->kind == KAISER_VISIT_NOT_PRESENT)
		++*(uint64_t *)arg;
	return 0;
}

void kaiser_check_not_present(struct kaiser_run *r)
{
	uint64_t n = 0;

	walk_user_root(r, not_present_visit, &n);
	if (n)
		kaiser_report_text(r, KAISER_INFO, "# entries that are not present and not zero",
				   n);
}

/* ---- tables that lead to themselves, or are mapped ---- */

static bool is_root(const struct kaiser_machine *m, uint64_t pa)
{
	return pa == kaiser_root_of(m->cr3) ||
	       (known(m, KAISER_KNOWN_KERNEL_ROOT) && pa == kaiser_root_of(m->kernel_root)) ||
	       (m->is_root && m->is_root(m->ctx, pa));
}

struct table_search {
	uint64_t start, end; /* frames of the leaf in question */
	unsigned *left;      /* entries still to be looked at, in all searches */
	bool found;
};

static int table_search_visit(void *arg, const struct kaiser_visit *v)
{
	struct table_search *s = arg;

	s->found |= v->kind == KAISER_VISIT_TABLE && v->pa >= s->start && v->pa < s->end;
	if (*s->left == 0)
		return 1;
	--*s->left;
	return s->found;
}

struct self_map {
	struct kaiser_run *r;
	unsigned reported, left;
};

static int self_map_visit(void *arg, const struct kaiser_visit *v)
{
	struct self_map *s = arg;
	const struct kaiser_machine *m = s->r->m;
	struct table_search t = {.start = v->pa, .end = v->pa + v->size, .left = &s->left};
	const char *text = NULL;

	if (v->kind == KAISER_VISIT_LOOP) {
		text = "a table leads to itself";
	} else if (v->kind == KAISER_VISIT_TABLE && is_root(m, v->pa)) {
		text = "an entry leads to a top-level table";
	} else if (kaiser_is_visible(m, v)) {
		for (uint64_t o = 0; !text && s->left && o < v->size && o < 4096 * PAGE;
		     o += PAGE, s->left--)
			if (is_root(m, v->pa + o))
				text = "a top-level table is mapped";
		if (!text && s->left) {
			kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_KERNEL_HALF, false,
				    table_search_visit, &t);
			if (t.found)
				text = "a page table is mapped";
		}
	}
	if (!text)
		return 0;
	kaiser_report_at(s->r, v->va, v->va + v->size, v->rights, text);
	return ++s->reported == REPORT_MAX;
}

void kaiser_check_self_map(struct kaiser_run *r)
{
	struct self_map s = {.r = r, .left = SEARCH_LIMIT};

	walk_user_root(r, self_map_visit, &s);
	if (!s.left && s.reported < REPORT_MAX)
		kaiser_report_text(r, KAISER_UNKNOWN, "not every page was looked at", 0);
}

/* ---- direct_map ---- */

/* A run: pages at one distance from their frames, holes or none. So many make it a mapping of
 * memory as such: no table, stack or image is that large. Half of all memory is enough too. */
#define DIRECT_PAGES (UINT64_C(64) << 20 >> 12)

struct linear {
	struct kaiser_run *r;
	uint64_t limit;
	uint64_t distance, start, end, pages;
	unsigned rights;
};

static void linear_end(struct linear *g)
{
	if (g->pages >= g->limit)
		kaiser_report(g->r, &(struct kaiser_finding){
					    .check = g->r->check,
					    .severity = KAISER_ERROR,
					    .start = g->start,
					    .end = g->end,
					    .rights = g->rights,
					    .text = "# pages of physical memory in a row",
					    .number = g->pages,
				    });
	g->pages = 0;
}

static int linear_visit(void *arg, const struct kaiser_visit *v)
{
	struct linear *g = arg;

	if (!kaiser_is_visible(g->r->m, v))
		return 0;
	if (g->pages == 0 || v->va - v->pa != g->distance || (v->va ^ g->start) >> 63) {
		linear_end(g);
		g->distance = v->va - v->pa;
		g->start = v->va;
		g->rights = 0;
	}
	g->end = v->va + v->size;
	g->pages += v->size / PAGE;
	g->rights |= v->rights;
	return 0;
}

void kaiser_check_direct_map(struct kaiser_run *r)
{
	struct linear g = {.r = r, .limit = DIRECT_PAGES};

	if (r->m->ram_pages && r->m->ram_pages / 2 < g.limit)
		g.limit = r->m->ram_pages / 2 ? r->m->ram_pages / 2 : 1;
	walk_user_root(r, linear_visit, &g);
	linear_end(&g);
}

/* ---- totals ---- */

struct count {
	const struct kaiser_machine *m;
	struct kaiser_totals *t;
};

static int count_visit(void *arg, const struct kaiser_visit *v)
{
	const struct count *c = arg;
	uint64_t n = v->size / PAGE;
	bool w = v->rights & KAISER_MAY_WRITE, x = v->rights & KAISER_MAY_EXEC;

	if (v->kind == KAISER_VISIT_UNREADABLE || v->kind == KAISER_VISIT_LIMIT)
		c->t->complete = false;
	if (!kaiser_is_visible(c->m, v))
		return 0;
	c->t->pages += n;
	c->t->writable += w ? n : 0;
	c->t->executable += x ? n : 0;
	c->t->writable_executable += w && x ? n : 0;
	c->t->global += v->rights & KAISER_IS_GLOBAL ? n : 0;
	return 0;
}

void kaiser_totals(const struct kaiser_machine *m, struct kaiser_totals *t)
{
	struct count c = {m, t};

	t->pages = t->writable = t->executable = t->writable_executable = t->global = 0;
	t->complete = true;
	kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_BOTH_HALVES, false, count_visit, &c);
}

void kaiser_check_readable(struct kaiser_run *r)
{
	struct kaiser_totals t;

	kaiser_totals(r->m, &t);
	kaiser_report_text(r, KAISER_INFO, "# supervisor pages under the user root", t.pages);
	kaiser_report_text(r, KAISER_INFO, "# of them writable", t.writable);
	kaiser_report_text(r, KAISER_INFO, "# of them writable and executable",
			   t.writable_executable);
	if (!t.complete)
		kaiser_report_text(r, KAISER_UNKNOWN, "not everything could be walked", 0);
}
