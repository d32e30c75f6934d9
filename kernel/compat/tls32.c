/* SPDX-License-Identifier: MIT */
/*
 * set_thread_area: three segments of a thread's own, in the GDT while it runs. A description is
 * turned into a descriptor of ring 3 whatever it says; what would be code, 16-bit or absent is
 * refused, as Linux refuses it, but for the one description that means "none".
 */
#include "../proc/proc.h"
#include "compat.h"
#include "uaccess.h"

enum {
	SEG_32BIT = 1 << 0,
	SEG_CONTENTS = 3 << 1, /* 0 data, 1 expand-down data, 2 and 3 code */
	SEG_READ_ONLY = 1 << 3,
	SEG_PAGES = 1 << 4,
	SEG_ABSENT = 1 << 5,
	SEG_USEABLE = 1 << 6,
	SEG_KNOWN = 0x7f, /* higher ones are padding, but for bit 7, of 64-bit programs only */
	SEG_CODE = 2 << 1,
	SEG_EMPTY = SEG_READ_ONLY | SEG_ABSENT,
};

static bool is_empty(const struct ia32_desc *d)
{
	uint32_t f = d->flags & SEG_KNOWN;

	return d->base == 0 && d->limit == 0 && (f == SEG_EMPTY || f == 0);
}

bool ia32_desc_ok(const struct ia32_desc *d)
{
	return is_empty(d) || ((d->flags & SEG_32BIT) && !(d->flags & (SEG_CODE | SEG_ABSENT)));
}

/* SDM volume 3, 3.4.5: present, ring 3, data, accessed. */
static uint64_t descriptor(const struct ia32_desc *d)
{
	uint64_t access =
		0xf1 | (d->flags & SEG_READ_ONLY ? 0 : 2) | (d->flags & SEG_CONTENTS ? 4 : 0);
	uint64_t flags = 4 | (d->flags & SEG_PAGES ? 8 : 0) | (d->flags & SEG_USEABLE ? 1 : 0);

	if (is_empty(d))
		return 0;
	return (d->limit & 0xffff) | (uint64_t)(d->base & 0xffffff) << 16 | access << 40 |
	       (uint64_t)(d->limit >> 16 & 0xf) << 48 | flags << 52 |
	       (uint64_t)(d->base >> 24) << 56;
}

static uint32_t base_of(uint64_t descriptor)
{
	return (uint32_t)(descriptor >> 16 & 0xffffff) | (uint32_t)(descriptor >> 56 << 24);
}

static void describe(struct ia32_desc *d, uint64_t v)
{
	d->base = base_of(v);
	d->limit = (uint32_t)(v & 0xffff) | (uint32_t)(v >> 48 & 0xf) << 16;
	d->flags = SEG_EMPTY;
	if (v)
		d->flags = SEG_32BIT | (v >> 42 & 1 ? 2 : 0) | (v >> 41 & 1 ? 0 : SEG_READ_ONLY) |
			   (v >> 55 & 1 ? SEG_PAGES : 0) | (v >> 52 & 1 ? SEG_USEABLE : 0);
}

/* Which of the three, or -EINVAL. */
static int slot_of(uint32_t entry)
{
	uint32_t i = entry - KAISER_GDT_TLS;

	return i < KAISER_TLS_ENTRIES ? (int)i : -EINVAL;
}

static int free_slot(const struct task *t)
{
	for (int i = 0; i < KAISER_TLS_ENTRIES; i++)
		if (!t->tls[i])
			return i;
	return -ESRCH;
}

/* t's entry, and the bases that t's segment registers have from it. */
static void set(struct task *t, unsigned slot, const struct ia32_desc *d)
{
	unsigned entry = KAISER_GDT_TLS + slot;

	t->tls[slot] = descriptor(d);
	if (t->user_fs >> 2 == entry * 2)
		t->fs_base = d->base;
	if (t->user_gs >> 2 == entry * 2)
		t->gs_base = d->base;
}

SYSCALL1(ia32_set_thread_area, uint64_t, va)
{
	struct task *t = current;
	struct ia32_desc d;
	uint64_t irq;
	int slot;

	if (copy_from_user(&d, va, sizeof(d)) != 0)
		return -EFAULT;
	if (!ia32_desc_ok(&d))
		return -EINVAL;
	slot = d.entry == UINT32_MAX ? free_slot(t) : slot_of(d.entry);
	if (slot < 0)
		return slot;
	if (d.entry == UINT32_MAX) {
		d.entry = KAISER_GDT_TLS + (uint32_t)slot;
		if (copy_to_user(va, &d.entry, sizeof(d.entry)) != 0)
			return -EFAULT;
	}
	irq = irq_save();
	segments_save(t);
	set(t, (unsigned)slot, &d);
	ia32_tls_load(t);
	segments_load(t); /* a register that holds the selector gets what it says now */
	irq_restore(irq);
	return 0;
}

SYSCALL1(ia32_get_thread_area, uint64_t, va)
{
	struct ia32_desc d;
	int err;

	if (copy_from_user(&d, va, sizeof(d.entry)) != 0)
		return -EFAULT;
	err = ia32_tls_get(current, d.entry, &d);
	return err ? err : copy_to_user(va, &d, sizeof(d));
}

int ia32_clone_tls(struct task *t, uint64_t va)
{
	struct ia32_desc d;

	if (copy_from_user(&d, va, sizeof(d)) != 0)
		return -EFAULT;
	return ia32_tls_set(t, d.entry, &d);
}

int ia32_tls_get(const struct task *t, uint32_t entry, struct ia32_desc *d)
{
	int slot = slot_of(entry);

	if (slot < 0)
		return slot;
	d->entry = entry;
	describe(d, t->tls[slot]);
	return 0;
}

int ia32_tls_set(struct task *t, uint32_t entry, const struct ia32_desc *d)
{
	int slot = slot_of(entry);

	if (slot < 0 || !ia32_desc_ok(d))
		return -EINVAL;
	set(t, (unsigned)slot, d);
	return 0;
}

uint32_t ia32_segment_base(const struct task *t, uint16_t selector)
{
	int slot = slot_of(selector >> 3);

	if (selector & 4)
		return t->mm ? base_of(ldt_entry(t->mm, selector >> 3)) : 0;
	return slot < 0 ? 0 : base_of(t->tls[slot]);
}
