/* SPDX-License-Identifier: MIT */
/* Checks of what the user root maps against what it may, and of one root against the other. */
#include "verify_internal.h"

/* More supervisor memory than any kernel needs to be entered: it is not kept out at all. */
#define NOT_OUT_PAGES (UINT64_C(64) << 20 >> 12)

void kaiser_check_isolated(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	struct kaiser_totals t;

	if (m->switch_bit && !(m->cr3 & m->switch_bit))
		kaiser_report_text(r, KAISER_ERROR, "user mode runs with the switch bit clear", 0);
	if (known(m, KAISER_KNOWN_KERNEL_ROOT)) {
		if (kaiser_root_of(m->cr3) == kaiser_root_of(m->kernel_root))
			kaiser_report_text(r, KAISER_ERROR, "user mode runs on the kernel's root",
					   0);
		if (m->switch_bit & m->kernel_root)
			kaiser_report_text(r, KAISER_ERROR,
					   "the kernel's root has the switch bit set", 0);
	} else if (m->foreign_kernel) {
		kaiser_report_text(r, KAISER_UNKNOWN, "the kernel's root is not known", 0);
	}
	kaiser_totals(m, &t);
	if (t.pages >= NOT_OUT_PAGES)
		kaiser_report_text(r, KAISER_ERROR,
				   "# supervisor pages: the kernel is not kept out", t.pages);
}

/* ---- allowlist ---- */

/* The allowed range that va is in, or NULL and the last byte before the next one in *gap. */
static const struct kaiser_allowed *allowed_at(const struct kaiser_machine *m, uint64_t va,
					       uint64_t *gap)
{
	size_t n = known(m, KAISER_KNOWN_ALLOWED) ? m->allowed_count : 0;

	*gap = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		const struct kaiser_allowed *a = &m->allowed[i];
		if (va >= a->start && va < a->end)
			return a;
		if (a->start > va && a->start - 1 < *gap)
			*gap = a->start - 1;
	}
	return NULL;
}

struct judge {
	struct kaiser_run *r;
	struct merge excess, rights;
};

static int allowlist_visit(void *arg, const struct kaiser_visit *v)
{
	struct judge *j = arg;
	const struct kaiser_machine *m = j->r->m;
	uint64_t at = v->va, last = v->va + (v->size - 1);

	if (v->kind == KAISER_VISIT_TABLE && !kaiser_kernel_address(m, v->va) &&
	    !m->user_half_stable && !(v->rights & KAISER_MAY_USER))
		kaiser_merge_add(&j->excess, at, last + 1, v->rights, v->size / PAGE, NULL);
	if (!kaiser_is_visible(m, v))
		return 0;
	for (;;) {
		uint64_t gap, piece; /* piece: last byte; memory may reach up to the last of all */
		const struct kaiser_allowed *a = allowed_at(m, at, &gap);
		unsigned more = a ? v->rights & ~a->rights : 0;
		if (a)
			piece = a->end - 1 < last ? a->end - 1 : last;
		else
			piece = gap < last ? gap : last;
		if (!kaiser_nx_usable(m))
			more &= ~(unsigned)KAISER_MAY_EXEC;
		more &= KAISER_MAY_WRITE | KAISER_MAY_EXEC;
		if (!a)
			kaiser_merge_add(&j->excess, at, piece + 1, v->rights,
					 (piece - at + 1) / PAGE, NULL);
		else if (more)
			kaiser_merge_add(&j->rights, at, piece + 1, v->rights,
					 (piece - at + 1) / PAGE, a->name);
		if (piece >= last)
			return 0;
		at = piece + 1;
	}
}

void kaiser_check_allowlist(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	bool list = known(m, KAISER_KNOWN_ALLOWED);
	struct judge j = {
		.r = r,
		.excess = {.r = r,
			   .severity = list ? KAISER_ERROR : KAISER_WARNING,
			   .text = list ? "# supervisor pages that are not allowed"
					: "# supervisor pages, and no list says if they may be"},
		.rights = {.r = r,
			   .severity = KAISER_ERROR,
			   .text = "# pages with more rights than allowed"},
	};

	kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_BOTH_HALVES, false, allowlist_visit, &j);
	kaiser_merge_end(&j.excess);
	kaiser_merge_end(&j.rights);
	for (size_t i = 0; list && i < m->allowed_count; i++) {
		const struct kaiser_allowed *a = &m->allowed[i];
		struct merge g = {
			.r = r, .severity = KAISER_ERROR, .text = "# pages are not mapped"};
		struct kaiser_visit v;
		if (a->optional)
			continue;
		for (uint64_t va = a->start, last; va < a->end; va = last + 1) {
			bool mapped = kaiser_translate(m, kaiser_root_of(m->cr3), va, &v);
			last = va | (v.size - 1);
			if (last >= a->end - 1)
				last = a->end - 1;
			if (!mapped)
				kaiser_merge_add(&g, va, last + 1, 0, (last - va + PAGE) / PAGE,
						 a->name);
			if (last == UINT64_MAX)
				break;
		}
		kaiser_merge_end(&g);
	}
}

/* ---- same_va_same_pa ---- */

/* Pages compared: 16 GiB of them. Large pages of one root may be small ones of the other. */
#define COMPARE_LIMIT (1u << 22)

struct frames {
	struct kaiser_run *r;
	unsigned left;
	struct merge absent, other, rights, same;
	struct merge views, fewer; /* somebody else's kernel, and harmless */
};

/* Code may lie in two views, and the user root may grant less: a page of data may do neither. */
static struct merge *harmless(struct frames *f, struct merge *g, unsigned user, unsigned kernel)
{
	const unsigned wx = KAISER_MAY_WRITE | KAISER_MAY_EXEC | KAISER_MAY_USER;

	if (!f->r->m->foreign_kernel || (user & KAISER_IS_GLOBAL))
		return g;
	if (g == &f->other && (user & KAISER_MAY_EXEC) && !(user & KAISER_MAY_WRITE))
		return &f->views;
	if (g == &f->rights && !(user & wx & ~kernel))
		return &f->fewer;
	return g;
}

static int same_va_same_pa_visit(void *arg, const struct kaiser_visit *v)
{
	const unsigned wx = KAISER_MAY_WRITE | KAISER_MAY_EXEC | KAISER_MAY_USER;
	struct frames *f = arg;
	const struct kaiser_machine *m = f->r->m;

	if (!kaiser_is_visible(m, v))
		return 0;
	for (uint64_t o = 0, some; o < v->size; o += some) {
		if (f->left == 0)
			return 1;
		f->left--;
		uint64_t va = v->va + o, gap;
		const struct kaiser_allowed *a = allowed_at(m, va, &gap);
		struct kaiser_visit k;
		bool mapped = kaiser_translate(m, kaiser_root_of(m->kernel_root), va, &k);
		uint64_t in = va & (k.size - 1);
		some = k.size - in < v->size - o ? k.size - in : v->size - o;
		if (a && some > a->end - va)
			some = a->end - va;
		else if (!a && some - 1 > gap - va)
			some = gap - va + 1;
		struct merge *g = NULL;
		if (!mapped)
			g = &f->absent;
		else if ((k.pa + in == v->pa + o) == (a && a->two_views))
			g = a && a->two_views ? &f->same : &f->other;
		else if ((k.rights ^ v->rights) & wx)
			g = &f->rights;
		if (g)
			g = harmless(f, g, v->rights, k.rights);
		if (g)
			kaiser_merge_add(g, va, va + some, v->rights, (some + PAGE - 1) / PAGE,
					 a ? a->name : NULL);
	}
	return 0;
}

void kaiser_check_same_va_same_pa(struct kaiser_run *r)
{
	struct frames f = {
		.r = r,
		.left = COMPARE_LIMIT,
		.absent = {.text = "# pages that the kernel root does not map"},
		.other = {.text = "# pages that are another frame in the kernel root"},
		.rights = {.text = "# pages with other rights in the kernel root"},
		.same = {.text = "# pages that must differ between the roots are one frame"},
		.views = {.text = "# pages of code are another frame in the kernel root"},
		.fewer = {.text = "# pages have more rights in the kernel root"},
	};
	struct merge *all[] = {&f.absent, &f.other, &f.rights, &f.same, &f.views, &f.fewer};

	for (unsigned i = 0; i < 6; i++) {
		all[i]->r = r;
		all[i]->severity = i < 4 ? KAISER_ERROR : KAISER_INFO;
	}
	if (r->m->foreign_kernel)
		f.absent.severity = KAISER_WARNING;
	kaiser_walk(r->m, kaiser_root_of(r->m->cr3), KAISER_BOTH_HALVES, false,
		    same_va_same_pa_visit, &f);
	for (unsigned i = 0; i < 6; i++)
		kaiser_merge_end(all[i]);
	if (!f.left)
		kaiser_report_text(r, KAISER_UNKNOWN, "not every page was compared", 0);
}

/* ---- the user half's top level ---- */

static int poison_visit(void *arg, const struct kaiser_visit *v)
{
	struct merge *g = arg;

	if ((v->entry & (PTE_P | PTE_U)) == (PTE_P | PTE_U) && !(v->entry & PTE_NX))
		kaiser_merge_add(g, v->va, v->va + v->size, v->rights, 1, NULL);
	return 0;
}

void kaiser_check_nx_poison(struct kaiser_run *r)
{
	struct merge g = {.r = r,
			  .severity = KAISER_ERROR,
			  .text = "# entries let user memory be executed on the kernel root"};

	if (!known(r->m, KAISER_KNOWN_EFER)) {
		kaiser_report_text(r, KAISER_UNKNOWN, "not checked: EFER is not known", 0);
		return;
	}
	if (!kaiser_nx_usable(r->m)) {
		kaiser_report_text(r, KAISER_INFO,
				   "NX is off, so a missed switch of roots goes unnoticed", 0);
		return;
	}
	if (r->m->foreign_kernel)
		g.severity = KAISER_WARNING;
	kaiser_walk(r->m, kaiser_root_of(r->m->kernel_root), KAISER_USER_HALF, true, poison_visit,
		    &g);
	kaiser_merge_end(&g);
}

static const char *disagree(uint64_t kernel, uint64_t user)
{
	const uint64_t apart = PTE_NX | PTE_A;

	if (!(user & PTE_P))
		return (kernel & (PTE_P | PTE_U)) == (PTE_P | PTE_U)
			       ? "a user entry that the user root lacks"
			       : NULL;
	if (!(kernel & PTE_P))
		return "a user entry that the kernel root lacks";
	if (!(kernel & PTE_U))
		return "a supervisor entry that the user root has as well";
	return (kernel | apart) == (user | apart) ? NULL : "an entry differs between the roots";
}

void kaiser_check_sync(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	uint64_t span = UINT64_C(1) << (12 + 9 * (kaiser_levels(m) - 1));
	unsigned reported = 0;

	for (unsigned i = 0; i < 256 && reported < REPORT_MAX; i++) {
		uint64_t k, u;
		const char *text;
		if (m->read(m->ctx, kaiser_root_of(m->kernel_root) + i * 8, &k, 8) ||
		    m->read(m->ctx, kaiser_root_of(m->cr3) + i * 8, &u, 8)) {
			kaiser_report_text(r, KAISER_ERROR, "a root cannot be read", 0);
			return;
		}
		text = disagree(k, u);
		if (!text)
			continue;
		reported++;
		kaiser_report_at(r, i * span, (i + 1) * span, 0, text);
	}
}
