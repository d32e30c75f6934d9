/* SPDX-License-Identifier: MIT */
/*
 * What a change of roots leaves in the TLB: SDM volume 3, 4.10. A write of CR3 drops the entries of
 * the PCID that it names, but for global ones, which serve every PCID. So a page of the kernel can
 * be out of user mode's root and still be used, and so leaked, while user mode runs:
 * - if it is global in the kernel's root;
 * - if both roots have one PCID, and the switch to user mode does not flush.
 */
#include "verify_internal.h"

#define CR4_PGE   (UINT64_C(1) << 7)
#define CR4_PCIDE (UINT64_C(1) << 17)
#define PCID      UINT64_C(0xfff)
#define USER_PCID UINT64_C(0x800)

/* ---- global ---- */

/* One root's leaves against the other root. */
struct globals {
	uint64_t other_root;
	bool of_kernel;
	struct merge bad, same;
};

/* A leaf that both roots have: a stale one is a right one. */
static bool in_other_root(const struct globals *g, const struct kaiser_visit *v)
{
	const struct kaiser_machine *m = g->bad.r->m;
	struct kaiser_visit k;

	return m->foreign_kernel && known(m, KAISER_KNOWN_KERNEL_ROOT) && kaiser_is_visible(m, v) &&
	       kaiser_translate(m, kaiser_root_of(g->other_root), v->va, &k) && k.va <= v->va &&
	       k.va + (k.size - 1) >= v->va + (v->size - 1) && k.pa + (v->va - k.va) == v->pa &&
	       !(v->rights & KAISER_MAY_USER);
}

static int global_visit(void *arg, const struct kaiser_visit *v)
{
	struct globals *g = arg;
	struct merge *to = &g->bad;

	if (v->kind != KAISER_VISIT_LEAF || !(v->rights & KAISER_IS_GLOBAL))
		return 0;
	if (in_other_root(g, v)) {
		if (g->of_kernel) /* told of already */
			return 0;
		to = &g->same;
	}
	kaiser_merge_add(to, v->va, v->va + v->size, v->rights, v->size / PAGE, NULL);
	return 0;
}

static void look_for_globals(struct kaiser_run *r, uint64_t root, uint64_t other_root,
			     bool of_kernel, const char *bad)
{
	struct globals g = {
		.other_root = other_root,
		.of_kernel = of_kernel,
		.bad = {.r = r, .severity = KAISER_ERROR, .text = bad},
		.same = {.r = r,
			 .severity = KAISER_INFO,
			 .text = "# global pages, the same in both roots"},
	};

	kaiser_walk(r->m, kaiser_root_of(root), of_kernel ? KAISER_KERNEL_HALF : KAISER_BOTH_HALVES,
		    false, global_visit, &g);
	kaiser_merge_end(&g.bad);
	kaiser_merge_end(&g.same);
}

/* The library does not walk its own kernel root: it is the host's, and in use. */
void kaiser_check_global(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	bool two = known(m, KAISER_KNOWN_KERNEL_ROOT) &&
		   kaiser_root_of(m->kernel_root) != kaiser_root_of(m->cr3);

	look_for_globals(r, m->cr3, m->kernel_root, false,
			 "# global pages: a switch of roots leaves them in the TLB");
	if (m->foreign_kernel && two && known(m, KAISER_KNOWN_CR4) && (m->cr4 & CR4_PGE))
		look_for_globals(r, m->kernel_root, m->cr3, true,
				 "# global pages of the kernel's root: the TLB keeps them for user "
				 "mode");
}

/* ---- pcid ---- */

void kaiser_check_pcid(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;

	if (!(m->cr4 & CR4_PCIDE)) {
		kaiser_report_text(r, KAISER_INFO, "PCID is off: a write of CR3 flushes", 0);
		return;
	}
	if (!known(m, KAISER_KNOWN_KERNEL_CR3)) {
		kaiser_report_text(r, KAISER_UNKNOWN,
				   "PCID is on, and CR3 was not seen while the kernel ran", 0);
		return;
	}
	if (kaiser_root_of(m->kernel_cr3) == kaiser_root_of(m->cr3)) {
		kaiser_report_text(r, KAISER_INFO, "there is one root", 0);
		return;
	}
	if (!m->foreign_kernel && (m->cr3 & PCID) != ((m->kernel_cr3 & PCID) | USER_PCID))
		kaiser_report_text(r, KAISER_ERROR,
				   "PCID # of the user root is not the kernel root's with bit 11",
				   m->cr3 & PCID);
	if (!m->foreign_kernel && !(m->kernel_cr3 & PCID))
		kaiser_report_text(r, KAISER_ERROR,
				   "the kernel root runs under PCID #, which is the host's", 0);
	if ((m->kernel_cr3 & PCID) == (m->cr3 & PCID))
		kaiser_report_text(r, KAISER_ERROR,
				   "both roots use PCID #: what the kernel left in the TLB serves "
				   "user mode",
				   m->cr3 & PCID);
}
