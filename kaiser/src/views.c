/* SPDX-License-Identifier: MIT */
/*
 * The two views of the gate text, made from the template by its marks: see entry/macros.inc. The
 * calls into the kernel get their distance here, in pages that only kernel roots map.
 */
#include "internal.h"

struct mark {
	uint32_t offset, view; /* the view holds up to the next mark */
};

enum { VIEW_BOTH, VIEW_USER, VIEW_KERNEL, VIEW_OPEN };

struct patch {
	const char *target;
	uint64_t offset; /* of the 32-bit distance */
};

struct alternative {
	uint32_t offset, bytes, feature, pad;
};

enum { ALT_SMAP, ALT_VERW, ALT_PCID };

extern const struct mark kaiser_marks_start[], kaiser_marks_end[];
extern const struct patch kaiser_patch_start[], kaiser_patch_end[];
extern const struct alternative kaiser_alt_start[], kaiser_alt_end[];

#define INT3 0xcc

/* The recommended NOP of each length: SDM volume 2, NOP. The last two with prefixes more. */
static const uint8_t nops[][11] = {
	{0x90},
	{0x66, 0x90},
	{0x0f, 0x1f, 0x00},
	{0x0f, 0x1f, 0x40, 0x00},
	{0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
	{0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

/* The writable alias of the template's byte at `offset`, in the user or the kernel view. */
static uint8_t *view_byte(struct kaiser *k, bool user, uint32_t offset)
{
	uint32_t page = offset / KAISER_PAGE_SIZE, in = offset % KAISER_PAGE_SIZE;
	uint8_t *base;

	if (page == 0)
		base = user ? k->text_user : k->text_kernel;
	else
		base = k->ktext[page - 1];
	return base + in;
}

static void copy_views(struct kaiser *k)
{
	for (const struct mark *m = kaiser_marks_start; m < kaiser_marks_end; m++) {
		uint32_t end = m + 1 < kaiser_marks_end ? m[1].offset : KAISER_PAGE_SIZE;
		for (uint32_t i = m->offset; i < end; i++) {
			uint8_t b = (uint8_t)kaiser_template[i];
			bool user = m->view == VIEW_BOTH || m->view == VIEW_USER;
			bool kernel = m->view == VIEW_BOTH || m->view == VIEW_KERNEL;
			*view_byte(k, true, i) = user ? b : INT3;
			*view_byte(k, false, i) = kernel ? b : INT3;
		}
	}
	for (uint32_t i = KAISER_PAGE_SIZE; i < (1 + KAISER_KTEXT_PAGES) * KAISER_PAGE_SIZE; i++)
		*view_byte(k, false, i) = (uint8_t)kaiser_template[i];
}

static bool cpu_has_smap(void)
{
	uint32_t r[4];

	hw_cpuid(0, 0, r);
	if (r[0] < 7)
		return false;
	hw_cpuid(7, 0, r);
	return r[1] & (1u << 20);
}

static bool has(const struct kaiser *k, uint32_t feature)
{
	return feature == ALT_SMAP   ? cpu_has_smap()
	       : feature == ALT_VERW ? k->policy.verw
				     : k->policy.pcid;
}

static void apply_alternatives(struct kaiser *k)
{
	for (const struct alternative *a = kaiser_alt_start; a < kaiser_alt_end; a++) {
		if (has(k, a->feature))
			continue;
		for (uint32_t i = 0; i < a->bytes; i++) {
			uint8_t nop = nops[a->bytes - 1][i];
			uint8_t *u = view_byte(k, true, a->offset + i);
			uint8_t *v = view_byte(k, false, a->offset + i);
			if (a->offset < KAISER_PAGE_SIZE &&
			    *u == (uint8_t)kaiser_template[a->offset + i])
				*u = nop;
			if (*v == (uint8_t)kaiser_template[a->offset + i])
				*v = nop;
		}
	}
}

void kaiser_views_set_open(struct kaiser *k, bool open)
{
	for (const struct mark *m = kaiser_marks_start; m < kaiser_marks_end; m++) {
		uint32_t end = m + 1 < kaiser_marks_end ? m[1].offset : KAISER_PAGE_SIZE;
		for (uint32_t i = m->offset; m->view == VIEW_OPEN && i < end; i++)
			*view_byte(k, false, i) = open ? (uint8_t)kaiser_template[i] : INT3;
	}
	if (open)
		apply_alternatives(k); /* elsewhere they are applied already */
}

int kaiser_views_build(struct kaiser *k)
{
	copy_views(k);
	apply_alternatives(k);
	k->tails_open = !k->policy.isolate;
	if (k->tails_open)
		kaiser_views_set_open(k, true);
	for (const struct patch *p = kaiser_patch_start; p < kaiser_patch_end; p++) {
		uint64_t next = k->cfg.window + KAISER_WIN_TEXT + p->offset + 4;
		int64_t distance = (int64_t)((uint64_t)p->target - next);
		if (distance != (int32_t)distance)
			return KAISER_E_ARG; /* the window is too far from the kernel */
		for (unsigned i = 0; i < 4; i++)
			*view_byte(k, false, (uint32_t)p->offset + i) =
				(uint8_t)((uint64_t)distance >> (8 * i));
	}
	return KAISER_OK;
}
