/* SPDX-License-Identifier: MIT */
/* Ways to break the clean machine, each with the check that must see it. */
#include <string.h>

#include "verify_fixture.h"

struct fixture fx;

uint64_t *fx_leaf(uint64_t root, uint64_t va)
{
	return fx_entry(&fx, root, va, 0, 0);
}

uint64_t *fx_top(uint64_t root, uint64_t va)
{
	return fx_entry(&fx, root, va, fx.levels - 1, 0);
}

void fx_poke(uint64_t frame, unsigned offset, uint64_t value)
{
	memcpy((uint8_t *)fx_at(&fx, frame) + offset, &value, 8);
}

static void set_tss(unsigned slot, uint64_t value) /* 0: RSP0 */
{
	fx_poke(fx.desc, 0x80 + (slot ? 0x24 + 8 * (slot - 1) : 4), value);
}

static void kernel_root_for_user(void)
{
	fx.m.cr3 = fx.kroot;
}
static void switch_bit_clear(void)
{
	uint64_t even = fx_frame(&fx);
	if (even & 0x1000)
		even = fx_frame(&fx);
	memcpy(fx_at(&fx, even), fx_at(&fx, fx.uroot), 4096);
	fx.m.cr3 = even;
}
static void kernel_not_out(void)
{
	for (unsigned i = 0; i < 64; i++)
		*(fx_entry(&fx, fx.uroot, FX_DIRECT, 1, 0) + i) =
			(uint64_t)i << 21 | PTE_P | PTE_PS | PTE_NX;
	for (unsigned i = 0; i < 64; i++)
		*(fx_entry(&fx, fx.kroot, FX_DIRECT, 1, 0) + i) =
			(uint64_t)i << 21 | PTE_P | PTE_PS | PTE_NX;
}
static void fifth_page(void)
{
	fx_map_both(&fx, FX_PRIV, fx.priv, PTE_W | PTE_NX);
}
static void supervisor_page_in_user_half(void)
{
	fx_map_both(&fx, FX_USER + 0x1000, fx.spare, PTE_NX);
}
static void last_page_of_all(void)
{
	fx_map_both(&fx, UINT64_C(0xfffffffffffff000), fx.spare, PTE_NX);
}
void large_page(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0) = PTE_P | PTE_PS | PTE_NX;
}
static void more_rights(void)
{
	*fx_leaf(fx.uroot, FX_DESC) |= PTE_W;
	*fx_leaf(fx.kroot, FX_DESC) |= PTE_W;
}
static void entry_page_missing(void)
{
	*fx_leaf(fx.uroot, FX_ENTRY) = 0;
}
static void idt_missing(void)
{
	*fx_leaf(fx.uroot, FX_IDT) = 0;
}
static void text_missing(void)
{
	*fx_leaf(fx.uroot, FX_TEXT) = 0;
}
static void ist_unmapped(void)
{
	set_tss(1, FX_ENTRY + 0x1030);
}
static void ist_straddles(void)
{
	set_tss(2, FX_ENTRY + 0x20);
}
static void rsp0_read_only(void)
{
	set_tss(0, FX_DESC + 0x800);
}
static void tss_lacks_ist(void)
{
	set_tss(4, 0);
}
static void tss_short(void)
{
	fx.m.tr_limit = 0x40;
}
static void tss_elsewhere(void)
{
	fx.m.tr_base = FX_PRIV;
}
static void gdt_elsewhere(void)
{
	fx.m.gdt_base = FX_DESC + 0x1000;
}
static void idt_short(void)
{
	fx.m.idt_limit = 16 * 14 - 1;
}
static void gate_to_data(void)
{
	fx_gate(&fx, 33, FX_DESC + 0x100, 0);
}
static void gate_absent(void)
{
	((uint8_t *)fx_at(&fx, fx.idt))[14 * 16 + 5] = 0;
}
static void gate_selector(void)
{
	((uint8_t *)fx_at(&fx, fx.idt))[14 * 16 + 2] = 0x18;
}
static void nmi_without_stack(void)
{
	fx_gate(&fx, 2, FX_TEXT, 0);
}
static void shared_ist(void)
{
	fx_gate(&fx, 18, FX_TEXT, 1);
}
static void shared_ist_top(void)
{
	set_tss(2, FX_ENTRY + 0x400);
}
static void lstar_outside(void)
{
	fx.m.lstar = FX_WINDOW + 0x2000;
}
static void cstar_outside(void)
{
	fx.m.cstar = FX_ENTRY;
}
static void sysenter_open(void)
{
	fx.m.sysenter_cs = 0x10;
	fx.m.sysenter_eip = FX_WINDOW + 0x2000;
}
static void write_exec(void)
{
	*fx_leaf(fx.uroot, FX_ENTRY) &= ~PTE_NX;
	*fx_leaf(fx.kroot, FX_ENTRY) &= ~PTE_NX;
	fx.allowed[3].rights |= KAISER_MAY_EXEC;
}
static void user_bit_leaf(void)
{
	*fx_leaf(fx.uroot, FX_IDT) |= PTE_U;
}
static void user_bit_top(void)
{
	*fx_top(fx.uroot, FX_WINDOW) |= PTE_U;
}
static void user_bit_all_levels(void)
{
	for (unsigned l = 0; l < fx.levels; l++)
		*fx_entry(&fx, fx.uroot, FX_IDT, l, 0) |= PTE_U;
}
static void global_leaf(void)
{
	*fx_leaf(fx.uroot, FX_ENTRY) |= PTE_G;
}
static void global_user_page(void)
{
	*fx_leaf(fx.uroot, FX_USER) |= PTE_G;
}
static void other_frame(void)
{
	*fx_leaf(fx.kroot, FX_ENTRY) = fx.spare | PTE_P | PTE_W | PTE_NX;
}
static void kernel_lacks_page(void)
{
	*fx_leaf(fx.kroot, FX_DESC) = 0;
}
static void kernel_writes_idt(void)
{
	*fx_leaf(fx.kroot, FX_IDT) |= PTE_W;
}
static void one_view(void)
{
	*fx_leaf(fx.kroot, FX_TEXT) = fx.text_user | PTE_P;
}
static void no_poison(void)
{
	*fx_top(fx.kroot, FX_USER) &= ~PTE_NX;
}
static void kernel_root_only(void)
{
	*fx_top(fx.kroot, UINT64_C(0x7f0000000000)) = fx.spare | PTE_P | PTE_U | PTE_W | PTE_NX;
}
static void user_root_only(void)
{
	*fx_top(fx.uroot, UINT64_C(0x7f0000000000)) = fx.spare | PTE_P | PTE_U | PTE_W;
}
static void roots_differ(void)
{
	*fx_top(fx.uroot, FX_USER) = fx.spare | PTE_P | PTE_U | PTE_W;
}
static void supervisor_entry_in_both(void)
{
	*fx_top(fx.uroot, UINT64_C(0x10000000000)) = fx.spare | PTE_P | PTE_W;
	*fx_top(fx.kroot, UINT64_C(0x10000000000)) = fx.spare | PTE_P | PTE_W;
}
static void pointer_at_odd_offset(void)
{
	fx_poke(fx.entry, 0x333, FX_DIRECT + 0x12345);
}
static void pointer_over_chunks(void)
{
	fx_poke(fx.entry, 0x2fb, FX_KTEXT + 0x123);
}
static void pointer_over_pages(void)
{
	uint64_t v = FX_KTEXT + 0x123;
	memcpy((uint8_t *)fx_at(&fx, fx.idt) + 4092, &v, 4);
	memcpy(fx_at(&fx, fx.text_user), (uint8_t *)&v + 4, 4);
}
static void pointer_past_the_end(void)
{
	fx_poke(fx.entry, 0x100, FX_KTEXT + 0x1000); /* a stack's top: the byte before is mapped */
}
static void pointer_root_unknown(void)
{
	fx.m.known &= ~(unsigned)KAISER_KNOWN_KERNEL_ROOT;
	fx_poke(fx.entry, 0x101, UINT64_C(0xffffc90000123456));
}
static void root_address(void)
{
	fx_poke(fx.entry, 0x7f1, fx.uroot);
}
static void cr3_value(void)
{
	fx_poke(fx.entry, 0xa02, fx.kroot | 3 | UINT64_C(1) << 63);
}
static void cr3_value_user(void)
{
	fx_poke(fx.entry, 0xff8, fx.uroot | 0x803);
}
static void gate_split(void)
{
	fx_gate(&fx, 77, FX_KTEXT + 0x10, 0);
}
static void ldt_split(void)
{
	uint64_t base = FX_DIRECT + 0x5000;
	fx_poke(fx.desc, 0x50,
		0xfff | (base & 0xffffff) << 16 | UINT64_C(0x82) << 40 | (base >> 24 & 0xff) << 56);
	fx_poke(fx.desc, 0x58, base >> 32);
}
/* An LDT of one page that is allowed, with this descriptor in it. */
static void ldt_with(uint64_t descriptor)
{
	fx.allowed[4] = (struct kaiser_allowed){
		.start = FX_LDT, .end = FX_LDT + 0x1000, .users = true, .name = "LDT"};
	fx.m.allowed_count = 5;
	fx.m.ldt_base = FX_LDT;
	fx.m.ldt_limit = 0xfff;
	fx_map_both(&fx, FX_LDT, fx.spare, PTE_NX);
	/* Three that are all right, and what looks like an address but is the program's own. */
	fx_poke(fx.spare, 8, UINT64_C(0x00cff3000000ffff));
	fx_poke(fx.spare, 16, UINT64_C(0x00cffb000000ffff));
	fx_poke(fx.spare, 24, UINT64_C(0xff4073ffff881234));
	fx_poke(fx.spare, 32, descriptor);
}
static void ldt_gate(void)
{
	ldt_with(UINT64_C(0x0000ec0000100000));
}
static void ldt_ring0(void)
{
	ldt_with(UINT64_C(0x00cf93000000ffff));
}
static void ldt_long_mode(void)
{
	ldt_with(UINT64_C(0x00affb000000ffff));
}
static void ldt_not_accessed(void)
{
	ldt_with(UINT64_C(0x00cff2000000ffff));
}
static void ldt_too_long(void)
{
	ldt_with(0);
	fx.m.ldt_limit = 0x1007;
}
static void ldt_writable(void)
{
	ldt_with(0);
	fx_map_both(&fx, FX_LDT, fx.spare, PTE_NX | PTE_W);
}
void fx_branch(unsigned offset, uint8_t a, uint8_t b, uint64_t target)
{
	uint8_t *p = (uint8_t *)fx_at(&fx, fx.text_user) + offset;
	unsigned n = 1;
	uint32_t rel;
	p[0] = a;
	if (a == 0x0f)
		p[n++] = b;
	rel = (uint32_t)(target - (FX_TEXT + offset + n + 4));
	memcpy(p + n, &rel, 4);
}
static void call_out(void)
{
	fx_branch(0x123, 0xe8, 0, FX_KTEXT + 0x40);
}
static void jump_out(void)
{
	fx_branch(0x1fd, 0xe9, 0, FX_KTEXT + 0x40);
}
static void jcc_out(void)
{
	fx_branch(0x777, 0x0f, 0x85, FX_KTEXT + 0x40);
}
static void foreign_frame(void)
{
	memcpy(fx_at(&fx, fx.foreign), fx_at(&fx, fx.entry), 4096);
	*fx_leaf(fx.uroot, FX_ENTRY) = fx.foreign | PTE_P | PTE_W | PTE_NX;
	*fx_leaf(fx.kroot, FX_ENTRY) = fx.foreign | PTE_P | PTE_W | PTE_NX;
}
static void root_loop(void)
{
	*fx_top(fx.uroot, fx.levels == 5 ? UINT64_C(0xff10000000000000)
					 : UINT64_C(0xfffffe0000000000)) = fx.uroot | PTE_P | PTE_W;
}
static void table_loop(void)
{
	uint64_t *e = fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0);
	uint64_t pd = *fx_entry(&fx, fx.uroot, FX_WINDOW, 2, 0) & PTE_ADDR;
	e[1] = pd | PTE_P | PTE_W;
}
static void other_root_linked(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW - 0x40000000, 2, 0) = fx.kroot | PTE_P | PTE_W;
}
static void table_mapped(void)
{
	uint64_t pt = *fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0) & PTE_ADDR;
	*fx_leaf(fx.uroot, FX_ENTRY) = *fx_leaf(fx.kroot, FX_ENTRY) = pt | PTE_P | PTE_W | PTE_NX;
}
static void root_mapped(void)
{
	*fx_leaf(fx.uroot, FX_ENTRY) = *fx_leaf(fx.kroot, FX_ENTRY) =
		fx.kroot | PTE_P | PTE_W | PTE_NX;
}
static void reserved_ps(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW - 0x8000000000, 3, 0) = fx.spare | PTE_P | PTE_PS;
}
static void reserved_large(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = 0x4000 | PTE_P | PTE_PS;
}
static void reserved_nx(void)
{
	fx.m.efer = 1;
}
static void beyond_bits(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = UINT64_C(1) << 45 | PTE_P;
}
static void beyond_memory(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = UINT64_C(0x7000000000) | PTE_P;
}
void root_unreadable(void)
{
	fx.m.cr3 = UINT64_C(0x7000001000);
}
static void too_many_tables(void)
{
	fx.m.table_limit = 2;
}

static void image_page_visible(void)
{
	fx_map_both(&fx, FX_KTEXT, fx.ktext, 0);
}
static void direct_map_page_visible(void)
{
	fx.m.direct_end = FX_DIRECT + 0x40000000;
	fx_map_both(&fx, FX_DIRECT + 0x3fe00000, fx.spare, PTE_NX);
}
static void window_tied_to_image(void)
{
	for (unsigned b = 0; b < 3; b++)
		fx.visible[b][2] = FX_DESC + b * UINT64_C(0x2000000);
}
static void window_tied_to_memory(void)
{
	for (unsigned b = 0; b < 3; b++)
		fx.visible[b][3] = FX_ENTRY + b * UINT64_C(0x10000000);
}
static void residue_left(void)
{
	fx_poke(fx.entry, 0x1b8, fx.others);
}
static void pcid_shared(void)
{
	fx.m.cr4 |= 1 << 17;
	fx.m.known |= KAISER_KNOWN_KERNEL_CR3;
	fx.m.kernel_cr3 = fx.kroot | 3;
	fx.m.cr3 = fx.uroot | 3;
}
static void pcid_of_another_slot(void)
{
	pcid_shared();
	fx.m.cr3 = fx.uroot | 0x804;
}
static void pcid_of_the_host(void)
{
	pcid_shared();
	fx.m.kernel_cr3 = fx.kroot;
	fx.m.cr3 = fx.uroot | 0x800;
}
static void memory_in_a_row(void)
{
	/* Half of what there is, in pieces and with a hole, below the kernel half. */
	fx.m.ram_pages = 64;
	for (unsigned i = 0; i < 33; i++)
		if (i != 7)
			fx_map_both(&fx, UINT64_C(0x600000000000) + i * 4096u, FX_BASE + i * 4096u,
				    PTE_NX);
}
static void global_in_kernel_root(void)
{
	fx.m.foreign_kernel = true;
	fx.m.cr4 |= 1 << 7;
	*fx_leaf(fx.kroot, FX_KTEXT) |= PTE_G;
}

#define ALONE(fn, check)             \
	{                            \
#fn, fn, check, true \
	}
#define AMONG(fn, check)              \
	{                             \
#fn, fn, check, false \
	}
const struct breakage breakages[] = {
	AMONG(kernel_root_for_user, "isolated"),
	ALONE(switch_bit_clear, "isolated"),
	AMONG(kernel_not_out, "isolated"),
	ALONE(fifth_page, "allowlist"),
	ALONE(supervisor_page_in_user_half, "allowlist"),
	ALONE(last_page_of_all, "allowlist"),
	AMONG(large_page, "allowlist"),
	ALONE(more_rights, "allowlist"),
	AMONG(entry_page_missing, "allowlist"),
	AMONG(entry_page_missing, "sufficient"),
	AMONG(idt_missing, "sufficient"),
	AMONG(text_missing, "sufficient"),
	ALONE(ist_unmapped, "sufficient"),
	ALONE(ist_straddles, "sufficient"),
	ALONE(rsp0_read_only, "sufficient"),
	ALONE(tss_lacks_ist, "sufficient"),
	ALONE(tss_short, "sufficient"),
	ALONE(tss_elsewhere, "sufficient"),
	ALONE(gdt_elsewhere, "sufficient"),
	ALONE(idt_short, "sufficient"),
	ALONE(gate_to_data, "sufficient"),
	ALONE(gate_absent, "sufficient"),
	ALONE(gate_selector, "sufficient"),
	ALONE(nmi_without_stack, "sufficient"),
	ALONE(shared_ist, "sufficient"),
	ALONE(shared_ist_top, "sufficient"),
	ALONE(lstar_outside, "sufficient"),
	ALONE(cstar_outside, "sufficient"),
	ALONE(sysenter_open, "sufficient"),
	ALONE(write_exec, "wx"),
	ALONE(user_bit_leaf, "user_bit"),
	ALONE(user_bit_top, "user_bit"),
	AMONG(user_bit_all_levels, "user_bit"),
	ALONE(global_leaf, "global"),
	ALONE(global_user_page, "global"),
	ALONE(other_frame, "same_va_same_pa"),
	ALONE(kernel_lacks_page, "same_va_same_pa"),
	ALONE(kernel_writes_idt, "same_va_same_pa"),
	ALONE(one_view, "same_va_same_pa"),
	ALONE(no_poison, "nx_poison"),
	ALONE(kernel_root_only, "sync"),
	ALONE(user_root_only, "sync"),
	ALONE(roots_differ, "sync"),
	ALONE(supervisor_entry_in_both, "sync"),
	ALONE(pointer_at_odd_offset, "pointers"),
	ALONE(pointer_over_chunks, "pointers"),
	ALONE(pointer_over_pages, "pointers"),
	ALONE(pointer_past_the_end, "pointers"),
	ALONE(pointer_root_unknown, "pointers"),
	ALONE(root_address, "pointers"),
	ALONE(cr3_value, "pointers"),
	ALONE(cr3_value_user, "pointers"),
	AMONG(gate_split, "pointers"),
	ALONE(ldt_split, "pointers"),
	ALONE(ldt_gate, "ldt"),
	ALONE(ldt_ring0, "ldt"),
	ALONE(ldt_long_mode, "ldt"),
	ALONE(ldt_not_accessed, "ldt"),
	ALONE(ldt_too_long, "ldt"),
	ALONE(ldt_writable, "allowlist"),
	ALONE(call_out, "pointers"),
	ALONE(jump_out, "pointers"),
	ALONE(jcc_out, "pointers"),
	ALONE(foreign_frame, "foreign"),
	ALONE(root_loop, "self_map"),
	ALONE(table_loop, "self_map"),
	AMONG(other_root_linked, "self_map"),
	AMONG(table_mapped, "self_map"),
	AMONG(root_mapped, "self_map"),
	AMONG(image_page_visible, "kaslr"),
	AMONG(direct_map_page_visible, "kaslr"),
	ALONE(window_tied_to_image, "kaslr"),
	ALONE(window_tied_to_memory, "kaslr"),
	ALONE(residue_left, "residue"),
	ALONE(pcid_shared, "pcid"),
	ALONE(pcid_of_another_slot, "pcid"),
	ALONE(pcid_of_the_host, "pcid"),
	AMONG(memory_in_a_row, "direct_map"),
	ALONE(global_in_kernel_root, "global"),
	ALONE(reserved_ps, "tables"),
	ALONE(reserved_large, "tables"),
	AMONG(reserved_nx, "tables"),
	ALONE(beyond_bits, "tables"),
	ALONE(beyond_memory, "tables"),
	AMONG(root_unreadable, "tables"),
	AMONG(too_many_tables, "tables"),
};

const unsigned breakage_count = sizeof(breakages) / sizeof(breakages[0]);
