/* SPDX-License-Identifier: MIT */
/*
 * What one look cannot tell, and several can.
 *
 * kaslr: an address that user mode can find (it is mapped, so it can be timed) tells where the
 * kernel lies if the distance between the two never changes. One look sees that only where a
 * visible page lies within the image or the direct map. Over several boots any address that moves
 * along with them is seen; what stays where it is, or moves by itself, is not tied.
 *
 * residue: a register that an entry stored and nothing wiped. By itself it is a number like any
 * other; it is known by having been in a register of another process before.
 */
#include "verify_internal.h"

/* ---- kaslr ---- */

static bool moves(const struct kaiser_machine *m, bool image)
{
	for (size_t b = 1; b < m->boot_count; b++)
		if (image ? m->boots[b].image != m->boots[0].image
			  : m->boots[b].direct_map != m->boots[0].direct_map)
			return true;
	return false;
}

static bool base_known(const struct kaiser_machine *m, bool image)
{
	for (size_t b = 0; b < m->boot_count; b++)
		if (!(image ? m->boots[b].image : m->boots[b].direct_map))
			return false;
	return true;
}

static bool is_visible_at(const struct kaiser_boot *b, uint64_t va)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->visible[middle] == va)
			return true;
		if (b->visible[middle] < va)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Whether what is visible at va is at the same distance from the base at every boot. */
static bool is_tied(const struct kaiser_machine *m, uint64_t va, bool image)
{
	for (size_t b = 1; b < m->boot_count; b++) {
		uint64_t by = image ? m->boots[b].image - m->boots[0].image
				    : m->boots[b].direct_map - m->boots[0].direct_map;

		if (!is_visible_at(&m->boots[b], va + by))
			return false;
	}
	return true;
}

static void compare_boots(struct kaiser_run *r, bool image)
{
	const struct kaiser_machine *m = r->m;
	const struct kaiser_boot *first = &m->boots[0];
	struct merge g = {.r = r,
			  .severity = KAISER_ERROR,
			  .text = image ? "# addresses move along with the kernel's image"
					: "# addresses move along with the direct map"};

	if (!base_known(m, image)) {
		if (image)
			kaiser_report_text(r, KAISER_UNKNOWN, "the kernel's image was not found",
					   0);
		return;
	}
	if (!moves(m, image)) {
		kaiser_report_text(r, KAISER_INFO,
				   image ? "the image lies at one address at all # boots: there "
					   "is nothing to tell"
					 : "the direct map lies at one address at all # boots",
				   m->boot_count);
		return;
	}
	for (size_t i = 0; i < first->count; i++) {
		if (is_tied(m, first->visible[i], image))
			kaiser_merge_add(&g, first->visible[i], first->visible[i] + PAGE, 0, 1,
					 NULL);
	}
	kaiser_merge_end(&g);
}

struct inside {
	const struct kaiser_machine *m;
	struct merge image, direct;
};

static bool overlaps(const struct kaiser_visit *v, uint64_t start, uint64_t end)
{
	return v->va < end && v->va + (v->size - 1) >= start;
}

static int inside_visit(void *arg, const struct kaiser_visit *v)
{
	struct inside *s = arg;
	const struct kaiser_machine *m = s->m;

	if (!kaiser_is_visible(m, v))
		return 0;
	if (known(m, KAISER_KNOWN_IMAGE) && overlaps(v, m->image_start, m->image_end))
		kaiser_merge_add(&s->image, v->va, v->va + v->size, v->rights, v->size / PAGE,
				 NULL);
	else if (known(m, KAISER_KNOWN_DIRECT) && overlaps(v, m->direct_start, m->direct_end))
		kaiser_merge_add(&s->direct, v->va, v->va + v->size, v->rights, v->size / PAGE,
				 NULL);
	return 0;
}

void kaiser_check_kaslr(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	bool several = m->boots && m->boot_count > 1;
	struct inside s = {
		.m = m,
		.image = {.r = r, .text = "# pages of the kernel's image tell where it lies"},
		.direct = {.r = r, .text = "# pages of the direct map tell where it lies"},
	};

	s.image.severity = several && !moves(m, true) ? KAISER_INFO : KAISER_ERROR;
	s.direct.severity = several && !moves(m, false) ? KAISER_INFO : KAISER_ERROR;
	kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_BOTH_HALVES, false, inside_visit, &s);
	kaiser_merge_end(&s.image);
	kaiser_merge_end(&s.direct);
	if (several) {
		compare_boots(r, true);
		compare_boots(r, false);
	} else {
		kaiser_report_text(r, KAISER_UNKNOWN, "one boot does not tell what moves along", 0);
	}
}

/* ---- residue ---- */

#define SCAN_LIMIT 4096
#define CHUNK      256

struct keep {
	struct kaiser_run *r;
	uint64_t pages_left;
	unsigned reported, more;
	bool cut;
};

static void keep_chunk(struct keep *s, uint64_t va, uint64_t pa)
{
	const struct kaiser_machine *m = s->r->m;
	uint64_t word[CHUNK / 8];

	if (m->read(m->ctx, pa, word, sizeof(word))) {
		s->cut = true;
		return;
	}
	for (unsigned i = 0; i < CHUNK / 8; i++) {
		if (!word[i] || !m->is_others(m->ctx, word[i]))
			continue;
		if (s->reported++ >= REPORT_MAX) {
			s->more++;
			continue;
		}
		kaiser_report(s->r, &(struct kaiser_finding){
					    .check = s->r->check,
					    .severity = KAISER_ERROR,
					    .start = va + 8 * i,
					    .end = va + 8 * i + 8,
					    .value = word[i],
					    .text = "what another process had in a register",
				    });
	}
}

static int keep_visit(void *arg, const struct kaiser_visit *v)
{
	struct keep *s = arg;

	if (!kaiser_is_visible(s->r->m, v) || !(v->rights & KAISER_MAY_WRITE))
		return 0;
	for (uint64_t o = 0; o < v->size; o += CHUNK) {
		if ((o & (PAGE - 1)) == 0 && s->pages_left-- == 0) {
			s->pages_left = 0;
			s->cut = true;
			return 1;
		}
		keep_chunk(s, v->va + o, v->pa + o);
	}
	return 0;
}

void kaiser_check_residue(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	struct keep s = {.r = r, .pages_left = m->scan_limit ? m->scan_limit : SCAN_LIMIT};

	if (!m->is_others) {
		kaiser_report_text(r, KAISER_UNKNOWN,
				   "no two processes were seen on this CPU to be compared", 0);
		return;
	}
	kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_BOTH_HALVES, false, keep_visit, &s);
	if (s.more)
		kaiser_report_text(r, KAISER_ERROR, "# more like these", s.more);
	if (s.cut)
		kaiser_report_text(r, KAISER_UNKNOWN, "not all visible memory was searched", 0);
}
