/* SPDX-License-Identifier: MIT */
/*
 * The library's two seams: privileged instructions and the host's hooks. And what the gates do to
 * CR3, which is assembly and cannot run here: the same writes in the same order as kaiser/entry.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

struct model m;
static struct fiber scheduler;

unsigned rnd(uint64_t *state, unsigned n)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (unsigned)((x >> 20) % n);
}

/* ---- who runs ---- */

static void nmi(struct cpu *c);

static void leave_to_scheduler(void)
{
	struct cpu *c = this_cpu();

	fiber_switch(&c->fiber, &scheduler);
}

void serve_calls(void)
{
	struct cpu *c = this_cpu();
	bool was_user = c->user;

	if (!c->irq_on || (!c->calls && !c->interrupted))
		return;
	c->irq_on = false;
	if (was_user)
		gate_enter(c);
	while (c->calls) {
		struct call call = c->call[0];
		c->calls--;
		memmove(&c->call[0], &c->call[1], c->calls * sizeof(call));
		call.fn(call.arg);
		--*call.left;
	}
	if (c->interrupted) {
		c->interrupted = false;
		kaiser_serve_call(&m.k);
	}
	if (was_user)
		gate_exit(c);
	c->irq_on = true;
}

static void maybe_nmi(struct cpu *c)
{
	if (c->nmi_in && !c->in_nmi && --c->nmi_in == 0)
		nmi(c);
}

/* Anything may happen here: an NMI, an interrupt if they are on, another CPU. */
void model_yield(void)
{
	if (!m.running)
		return;
	m.yields++;
	maybe_nmi(this_cpu());
	serve_calls();
	if (m.failed || rnd(&m.rng, 4) == 0)
		leave_to_scheduler();
}

void model_wait(void)
{
	if (!m.running) {
		fail("waits for ever");
		return;
	}
	maybe_nmi(this_cpu());
	serve_calls();
	leave_to_scheduler();
}

void lock(struct lock *l)
{
	while (l->held && !m.failed)
		model_wait();
	l->held = true;
}

void unlock(struct lock *l)
{
	l->held = false;
}

static void cpu_main(void)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
	for (;;) {
		struct cpu *c = this_cpu();
		c->parked = false;
		if (c->job) {
			do_step(c->job);
			c->job = NULL;
		}
		maybe_nmi(c);
		serve_calls();
		c->parked = true;
		leave_to_scheduler();
	}
}

void machine_start(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		fiber_start(&m.cpu[i].fiber, cpu_main);
	for (unsigned i = 0; i < CPUS; i++)
		m.cpu[i].parked = true;
}

/* Runs until no CPU has anything left to do. */
void machine_round(uint64_t seed)
{
	unsigned idle_turns = 0;

	m.rng = seed | 1;
	m.running = true;
	while (!m.failed) {
		unsigned ready[CPUS], n = 0;
		for (unsigned i = 0; i < m.cpus; i++) {
			const struct cpu *c = &m.cpu[i];
			if (!c->parked || c->job || ((c->calls || c->interrupted) && c->irq_on) ||
			    c->nmi_in)
				ready[n++] = i;
		}
		if (!n)
			break;
		if (++idle_turns > 100000)
			fail("no end: every CPU waits for another");
		m.self = ready[rnd(&m.rng, n)];
		fiber_switch(&scheduler, &m.cpu[m.self].fiber);
	}
	m.running = false;
}

/* ---- the gates ---- */

bool pcid_used(void)
{
	return this_cpu()->tlb.cr4 & TLB_CR4_PCIDE;
}

static void load(struct cpu *c, uint64_t v, const char *when)
{
	if (!tlb_write_cr3(&c->tlb, v)) {
		fail("%s: #GP on CR3 %#lx", when, (unsigned long)v);
		return;
	}
	m.did.cr3++;
	m.did.kept += v >> 63;
	adversary_walk(c);
	check_cpu(c, when);
}

static void to_kernel(struct cpu *c, const char *when)
{
	uint64_t v = c->tlb.cr3;

	if (!(v & KAISER_SWITCH_BIT))
		return;
	v &= ~(uint64_t)KAISER_SWITCH_BIT;
	if (pcid_used())
		v = (v & ~UINT64_C(0x800)) | TLB_CR3_NOFLUSH;
	load(c, v, when);
}

/* cr3.h SWITCH_TO_KERNEL_CR3: from user mode, or an event there. */
void gate_enter(struct cpu *c)
{
	to_kernel(c, "entry");
	c->user = false;
}

/* user.inc and tails.inc, interrupts off. The exit CR3 goes to a register; bit 63 is set in memory
 * for the exits to come; the register is written. An NMI may hit anywhere between. */
void gate_exit(struct cpu *c)
{
	struct kaiser_cpu *kc = m.k.cpu[c->number];
	uint64_t v;

	ldt_exit(c, rnd(&m.rng, 4));
	v = kc->exit_cr3;
	maybe_nmi(c);
	if ((v & KAISER_SWITCH_BIT) && pcid_used())
		kc->exit_cr3 |= TLB_CR3_NOFLUSH;
	maybe_nmi(c);
	if (v & KAISER_SWITCH_BIT) /* else user mode runs on the kernel root: nothing is written */
		load(c, v, "exit");
	c->user = true;
	maybe_nmi(c);
}

/* cr3.h SAVE_AND_SWITCH_TO_KERNEL_CR3 and RESTORE_CR3. */
static void nmi(struct cpu *c)
{
	uint64_t saved = c->tlb.cr3;

	c->in_nmi = true;
	m.did.nmis++;
	m.did.nmis_user += saved >> KAISER_SWITCH_SHIFT & 1;
	to_kernel(c, "NMI");
	if (saved & KAISER_SWITCH_BIT) {
		if (pcid_used())
			saved |= TLB_CR3_NOFLUSH;
		load(c, saved, "return from NMI");
	}
	c->in_nmi = false;
}

/* ---- privileged instructions ---- */

uint64_t hw_rdmsr(uint32_t n)
{
	if (n == MSR_EFER)
		return this_cpu()->efer;
	return n == MSR_GS_BASE ? this_cpu()->gs : 0;
}

void hw_wrmsr(uint32_t n, uint64_t v)
{
	if (n == MSR_EFER)
		this_cpu()->efer = v;
	if (n == MSR_GS_BASE)
		this_cpu()->gs = v;
}

uint64_t hw_read_cr3(void)
{
	return this_cpu()->tlb.cr3;
}

void hw_write_cr3(uint64_t v)
{
	struct cpu *c = this_cpu();

	model_yield();
	if (v & KAISER_SWITCH_BIT)
		fail("C loads a user root: %#lx", (unsigned long)v);
	load(c, v, "CR3 write");
	model_yield();
}

uint64_t hw_read_cr4(void)
{
	return this_cpu()->tlb.cr4;
}

void hw_write_cr4(uint64_t v)
{
	struct cpu *c = this_cpu();

	if (!tlb_write_cr4(&c->tlb, v))
		fail("#GP on CR4 %#lx", (unsigned long)v);
	adversary_walk(c);
	model_yield();
}

void hw_invlpg(uint64_t va)
{
	struct cpu *c = this_cpu();

	model_yield();
	m.did.invlpg++;
	tlb_invlpg(&c->tlb, va);
	adversary_walk(c);
}

void hw_invpcid(unsigned type, uint64_t pcid, uint64_t va)
{
	struct cpu *c = this_cpu();

	model_yield();
	if (!(m.conf & CONF_INVPCID))
		fail("#UD: no INVPCID here");
	m.did.invpcid[type & 3]++;
	if (!tlb_invpcid(&c->tlb, type, pcid, va))
		fail("#GP: INVPCID type %u, PCID %#lx, %#lx", type, (unsigned long)pcid,
		     (unsigned long)va);
	adversary_walk(c);
}

uint64_t hw_read_cr2(void)
{
	return 0;
}

uint16_t hw_read_cs(void)
{
	return KAISER_KERNEL_CS;
}

uint64_t hw_irq_save(void)
{
	struct cpu *c = this_cpu();
	bool was = c->irq_on;

	model_yield();
	this_cpu()->irq_on = false;
	return was ? 0x200 : 0;
}

void hw_irq_restore(uint64_t flags)
{
	if (flags & 0x200) {
		this_cpu()->irq_on = true;
		model_yield();
	}
}

uint64_t hw_swap_dr7(uint64_t v)
{
	(void)v;
	return 0x400;
}

uint64_t hw_take_dr6(void)
{
	return 0xffff0ff0;
}

struct kaiser_cpu *hw_this_cpu(void)
{
	return m.k.cpu[m.self];
}

void hw_load_tables(const struct hw_table_ptr *writable_gdt, const struct hw_table_ptr *gdt)
{
	(void)writable_gdt;
	(void)gdt;
}

void hw_load_idt(const struct hw_table_ptr *idt)
{
	(void)idt;
}

void hw_load_ldt(uint16_t selector)
{
	(void)selector;
}

/* An Intel CPU that needs isolation, as capable as the run's configuration says. */
void hw_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	(void)sub;
	memset(r, 0, 16);
	switch (leaf) {
	case 0:
		memcpy(r, (uint32_t[]){7, 0x756e6547, 0x6c65746e, 0x49656e69}, 16);
		break;
	case 1:
		r[0] = 0x000506e3;
		r[2] = m.conf & CONF_PCID ? 1u << 17 : 0;
		r[3] = 1u << 13;
		break;
	case 7:
		r[1] = 1u << 20 | (m.conf & CONF_INVPCID ? 1u << 10 : 0);
		break;
	case 0x80000000:
		r[0] = 0x80000008;
		break;
	case 0x80000008:
		r[0] = 48;
		break;
	}
}

/* ---- hooks ---- */

static void *page_alloc(void *ctx, unsigned order)
{
	(void)ctx;
	return arena_get(order);
}

static void page_free(void *ctx, void *va, unsigned order)
{
	(void)ctx;
	arena_put(va, order);
}

static kaiser_pa_t virt_to_phys(void *ctx, const void *va)
{
	(void)ctx;
	return (kaiser_pa_t)(uintptr_t)va;
}

static void *phys_to_virt(void *ctx, kaiser_pa_t pa)
{
	(void)ctx;
	return (void *)(uintptr_t)pa;
}

static int map(void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot)
{
	(void)ctx;
	*pte_of(m.kernel_top, va, 0) = pa | PTE_P | PTE_A | PTE_D |
				       (prot & KAISER_PROT_W ? PTE_W : 0) |
				       (prot & KAISER_PROT_X ? 0 : PTE_NX);
	return 0;
}

static void unmap(void *ctx, uint64_t va)
{
	(void)ctx;
	*pte_of(m.kernel_top, va, 0) = 0;
}

/* Interrupts must be on: two CPUs that wait for each other with theirs off never end. */
static void call_cpus(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	unsigned left = 0;

	(void)ctx;
	if (!mask)
		return;
	if (!this_cpu()->irq_on || mask >> m.self & 1) {
		fail("call_cpus with interrupts off, or of itself");
		return;
	}
	for (unsigned i = 0; i < m.cpus; i++) {
		struct cpu *c = &m.cpu[i];
		if (!(mask >> i & 1))
			continue;
		if (c->gone) {
			fail("call of CPU %u, which has left", i);
			return;
		}
		m.did.calls++;
		c->call[c->calls++] = (struct call){fn, arg, &left};
		left++;
	}
	while (left && !m.failed)
		model_wait();
}

/* To all others, asked or not; who has left does not get it, nor later. */
static void interrupt_cpus(void *ctx, uint64_t mask)
{
	(void)ctx;
	if (this_cpu()->irq_on || !mask || mask >> m.self & 1)
		fail("interrupt_cpus with interrupts on, of nobody or of itself");
	for (unsigned i = 0; i < m.cpus; i++) {
		m.did.calls += mask >> i & 1;
		m.cpu[i].interrupted |= i != m.self && !m.cpu[i].gone;
	}
}

static void host_panic(void *ctx, const char *message)
{
	(void)ctx;
	fail("panic: %s", message);
}

const struct kaiser_ops model_ops = {page_alloc, page_free, virt_to_phys, phys_to_virt, map,
				     unmap,      call_cpus, NULL,         host_panic};

bool model_by_interrupts;
const struct kaiser_ops model_ops_interrupts = {page_alloc, page_free, virt_to_phys, phys_to_virt,
						map,        unmap,     NULL,         interrupt_cpus,
						host_panic};

/* ---- handlers: nothing calls them here ---- */

void kaiser_on_syscall(struct pt_regs *regs)
{
	(void)regs;
}
void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector)
{
	(void)regs;
	(void)vector;
}
void kaiser_on_nmi(struct pt_regs *regs)
{
	(void)regs;
}
void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6)
{
	(void)regs;
	(void)dr6;
}
void kaiser_on_machine_check(struct pt_regs *regs)
{
	(void)regs;
}
void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	(void)regs;
	(void)cr2;
	abort();
}
