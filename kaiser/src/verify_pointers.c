/* SPDX-License-Identifier: MIT */
/*
 * pointers: what a side channel could learn from the supervisor memory that the user root maps.
 *
 * Every byte offset is looked at, since a leak need not be aligned. But eight bytes of machine code
 * read at an odd offset often look like an address: every negative 32-bit displacement ends in ff
 * ff. So where the kernel root is known, a value counts if that root maps it, or the byte before it
 * (a stack's top). With addresses chosen at random no accident does. Where it is not known, data
 * counts by its form alone, and code not.
 */
#include "verify_internal.h"

#define SCAN_LIMIT 4096
#define LOOK_LIMIT (UINT64_C(1) << 20) /* values that look like addresses */
#define CHUNK      256
#define CARRY      8 /* a value that began in the chunk before, and the byte before it */

/* Nobody's address: error numbers and the like. */
#define SMALL_NEGATIVE (UINT64_MAX - 0xffff)

struct scan {
	struct kaiser_run *r;
	uint64_t pages_left, looks_left;
	uint64_t va;      /* where the next byte would follow on */
	bool exec, users; /* users: there is memory of the program's own choice */
	unsigned carried;
	uint8_t buf[CARRY + CHUNK];
	unsigned reported, more;
	bool cut;
};

static void leak(struct scan *s, enum kaiser_severity severity, uint64_t va, uint64_t value,
		 const char *text)
{
	if (s->reported == REPORT_MAX) {
		s->more += severity == KAISER_ERROR;
		return;
	}
	s->reported++;
	kaiser_report(s->r, &(struct kaiser_finding){
				    .check = s->r->check,
				    .severity = severity,
				    .start = va,
				    .end = va + 8,
				    .value = value,
				    .text = text,
			    });
}

static bool is_live(const struct kaiser_machine *m, uint64_t va)
{
	return va + 8 > m->live_start && va < m->live_end;
}

/* In memory of the running program's own choice, at a place that user mode may know: the GDT tells.
 */
static bool is_users(const struct scan *s, uint64_t va)
{
	const struct kaiser_machine *m = s->r->m;

	for (size_t i = 0; s->users && i < m->allowed_count; i++)
		if (m->allowed[i].users && va >= m->allowed[i].start && va < m->allowed[i].end)
			return true;
	return false;
}

static bool in_window(const struct scan *s, uint64_t v)
{
	const struct kaiser_machine *m = s->r->m;

	return (known(m, KAISER_KNOWN_WINDOW) && v >= m->window_start && v <= m->window_end) ||
	       is_users(s, v);
}

static bool kernel_maps(const struct kaiser_machine *m, uint64_t va, unsigned rights)
{
	struct kaiser_visit v;

	return kaiser_kernel_address(m, va) &&
	       kaiser_translate(m, kaiser_root_of(m->kernel_root), va, &v) &&
	       (v.rights & rights) == rights;
}

/* With somebody else's kernel: what user mode can find by itself is no secret. */
static bool is_public(const struct kaiser_machine *m, uint64_t va)
{
	struct kaiser_visit v;

	return m->foreign_kernel &&
	       ((kaiser_translate(m, kaiser_root_of(m->cr3), va, &v) && kaiser_is_visible(m, &v)) ||
		(kaiser_translate(m, kaiser_root_of(m->cr3), va - 1, &v) &&
		 kaiser_is_visible(m, &v)));
}

/* The upper part of a gate's target, read with what lies before it: split_idt() puts the parts
 * together. */
static bool in_gate(const struct kaiser_machine *m, uint64_t va)
{
	return known(m, KAISER_KNOWN_IDT) && va >= m->idt_base && va - m->idt_base < m->idt_limit &&
	       (va - m->idt_base) % 16 == 4;
}

/* The same of a system descriptor's base, for split_gdt(): with the bytes before it, the upper part
 * of an address near the window looks like one near it too, and may be the kernel image's. */
static bool in_descriptor(const struct kaiser_machine *m, uint64_t va)
{
	uint64_t at = va - m->gdt_base, d;

	return known(m, KAISER_KNOWN_GDT) && va >= m->gdt_base && at + 11 <= m->gdt_limit &&
	       at % 8 == 4 &&
	       kaiser_read_virtual(m, kaiser_root_of(m->cr3), va - 4, &d, sizeof(d)) &&
	       (d >> 47 & 1) && !(d >> 44 & 1);
}

/* Memory made of nothing but addresses, mapped over and over, must not keep the check for long. */
static bool may_look(struct scan *s)
{
	if (s->looks_left == 0) {
		s->cut = true;
		return false;
	}
	s->looks_left--;
	return true;
}

static void look_at_value(struct scan *s, uint64_t va, uint64_t v)
{
	const struct kaiser_machine *m = s->r->m;

	if (!kaiser_kernel_address(m, v) || v >= SMALL_NEGATIVE || !may_look(s) ||
	    in_window(s, v) || is_public(m, v) || in_gate(m, va) || in_descriptor(m, va))
		return;
	if (known(m, KAISER_KNOWN_KERNEL_ROOT)) {
		if (kernel_maps(m, v, 0) || kernel_maps(m, v - 1, 0))
			leak(s, KAISER_ERROR, va, v, "a kernel address outside the window");
	} else if (!s->exec) {
		leak(s, KAISER_ERROR, va, v, "what looks like a kernel address");
	}
}

/* A root, or a CR3 value: the address, a small PCID with or without bit 11, caching bits, and what
 * lies above the address (NOFLUSH, LAM). */
static void look_at_root(struct scan *s, uint64_t va, uint64_t v)
{
	const struct kaiser_machine *m = s->r->m;
	uint64_t pa = kaiser_root_of(v) & ~m->enc_mask;

	if (!pa || (v & 0x7e0) || (v & ~(PTE_ADDR | 0xfff | UINT64_C(7) << 61)))
		return;
	if (pa == kaiser_root_of(m->cr3) ||
	    (known(m, KAISER_KNOWN_KERNEL_ROOT) && pa == kaiser_root_of(m->kernel_root)) ||
	    (m->is_root && m->is_root(m->ctx, pa)))
		leak(s, KAISER_ERROR, va, v, "the physical address of a top-level table");
}

/* CALL, JMP and Jcc with a 32-bit distance. `before`: the byte before the opcode. */
static void look_at_branch(struct scan *s, uint64_t va, const uint8_t *b, uint8_t before)
{
	const struct kaiser_machine *m = s->r->m;
	bool direct = (b[0] & 0xfe) == 0xe8 && before != 0x0f && before != 0x6a;
	bool jcc = b[0] == 0x0f && (b[1] & 0xf0) == 0x80;
	const uint8_t *p = jcc ? b + 2 : b + 1;
	uint32_t rel = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
	uint64_t target = va + (jcc ? 6 : 5) + (uint64_t)(int64_t)(int32_t)rel;

	if ((!direct && !jcc) || rel == 0xcccccccc || !may_look(s) || in_window(s, target) ||
	    is_public(m, target))
		return;
	if (known(m, KAISER_KNOWN_KERNEL_ROOT)) {
		if (kernel_maps(m, target, KAISER_MAY_EXEC))
			leak(s, m->is_constant ? KAISER_ERROR : KAISER_WARNING, va, target,
			     "a branch to kernel code out of the window");
	} else if (known(m, KAISER_KNOWN_WINDOW)) {
		leak(s, KAISER_WARNING, va, target, "what looks like a branch out of the window");
	}
}

/* buf holds `bytes` bytes from va on. The first was looked at already if it was carried. */
static void look_at_bytes(struct scan *s, uint64_t va, unsigned bytes)
{
	const struct kaiser_machine *m = s->r->m;

	for (unsigned i = s->carried ? 1 : 0; i + 8 <= bytes; i++) {
		uint64_t v = 0;
		if (is_live(m, va + i))
			continue;
		if (s->exec && m->is_constant && m->is_constant(m->ctx, va + i, 8))
			continue;
		for (unsigned j = 0; j < 8; j++)
			v |= (uint64_t)s->buf[i + j] << (8 * j);
		look_at_value(s, va + i, v);
		look_at_root(s, va + i, v);
		if (s->exec)
			look_at_branch(s, va + i, &s->buf[i], i ? s->buf[i - 1] : 0);
	}
}

static void scan_chunk(struct scan *s, uint64_t va, uint64_t pa)
{
	const struct kaiser_machine *m = s->r->m;

	if (va != s->va)
		s->carried = 0;
	if (m->read(m->ctx, pa, s->buf + s->carried, CHUNK)) {
		s->carried = 0;
		s->cut = true;
		return;
	}
	look_at_bytes(s, va - s->carried, s->carried + CHUNK);
	for (unsigned i = 0; i < CARRY; i++)
		s->buf[i] = s->buf[s->carried + CHUNK - CARRY + i];
	s->carried = CARRY;
	s->va = va + CHUNK;
}

static int scan_visit(void *arg, const struct kaiser_visit *v)
{
	struct scan *s = arg;

	if (!kaiser_is_visible(s->r->m, v) || is_users(s, v->va))
		return 0;
	s->exec = v->rights & KAISER_MAY_EXEC;
	for (uint64_t o = 0; o < v->size; o += CHUNK) {
		if ((o & (PAGE - 1)) == 0) {
			if (s->pages_left == 0) {
				s->cut = true;
				return 1;
			}
			s->pages_left--;
		}
		scan_chunk(s, v->va + o, v->pa + o);
	}
	return 0;
}

/* ---- addresses that descriptors keep in pieces ---- */

static void look_at_split(struct scan *s, uint64_t va, uint64_t v, const char *text)
{
	const struct kaiser_machine *m = s->r->m;

	if (!kaiser_kernel_address(m, v) || in_window(s, v) || is_public(m, v))
		return;
	if (known(m, KAISER_KNOWN_WINDOW))
		leak(s, KAISER_ERROR, va, v, text);
	else if (known(m, KAISER_KNOWN_KERNEL_ROOT) && kernel_maps(m, v, 0))
		leak(s, KAISER_WARNING, va, v, text);
}

static void split_idt(struct scan *s)
{
	const struct kaiser_machine *m = s->r->m;

	for (uint32_t i = 0; i < 4096 && i + 15 <= m->idt_limit; i += 16) {
		uint64_t g[2];
		if (kaiser_read_virtual(m, kaiser_root_of(m->cr3), m->idt_base + i, g, 16))
			look_at_split(s, m->idt_base + i,
				      (g[0] & 0xffff) | (g[0] >> 32 & 0xffff0000) | g[1] << 32,
				      "a gate's target outside the window");
	}
}

static void split_gdt(struct scan *s)
{
	const struct kaiser_machine *m = s->r->m;

	for (uint32_t i = 0; i < 65536 && i + 7 <= m->gdt_limit; i += 8) {
		uint64_t d[2] = {0, 0};
		uint64_t at = m->gdt_base + i;
		bool system;
		if (!kaiser_read_virtual(m, kaiser_root_of(m->cr3), at, d, 8))
			continue;
		system = d[0] >> 47 & 1 && !(d[0] >> 44 & 1);
		if (!system || i + 15 > m->gdt_limit ||
		    !kaiser_read_virtual(m, kaiser_root_of(m->cr3), at, d, 16))
			continue;
		look_at_split(s, at,
			      (d[0] >> 16 & 0xffffff) | (d[0] >> 32 & 0xff000000) | d[1] << 32,
			      "a descriptor's base outside the window");
		i += 8;
	}
}

void kaiser_check_pointers(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	struct scan s;

	s.r = r;
	s.pages_left = m->scan_limit ? m->scan_limit : SCAN_LIMIT;
	s.looks_left = LOOK_LIMIT;
	s.va = s.carried = s.reported = s.more = 0;
	s.exec = s.cut = s.users = false;
	for (size_t i = 0; known(m, KAISER_KNOWN_ALLOWED) && i < m->allowed_count; i++)
		s.users |= m->allowed[i].users;
	kaiser_walk(m, kaiser_root_of(m->cr3), KAISER_BOTH_HALVES, false, scan_visit, &s);
	if (known(m, KAISER_KNOWN_IDT))
		split_idt(&s);
	if (known(m, KAISER_KNOWN_GDT))
		split_gdt(&s);
	if (s.more)
		kaiser_report_text(r, KAISER_ERROR, "# more like these", s.more);
	if (m->live_end != m->live_start)
		kaiser_report_text(r, KAISER_INFO,
				   "# bytes were left out: they change with what runs",
				   m->live_end - m->live_start);
	if (s.cut)
		kaiser_report_text(r, KAISER_UNKNOWN, "not all visible memory was searched", 0);
}
