/* SPDX-License-Identifier: MIT */
#include "fake_host.h"

#define ALLOCATIONS 4096

struct host host;

static struct allocation {
	void *va;
	unsigned order;
	bool library;
} allocations[ALLOCATIONS];

struct patch {
	const char *target;
	uint64_t offset;
};
extern struct patch kaiser_patch_start[], kaiser_patch_end[];

static void *get(unsigned order, bool library)
{
	size_t n = (size_t)4096 << order;
	void *p = aligned_alloc(n, n);

	if (!p)
		abort();
	memset(p, 0, n);
	for (unsigned i = 0; i < ALLOCATIONS; i++)
		if (!allocations[i].va) {
			allocations[i] = (struct allocation){p, order, library};
			return p;
		}
	fail_msg("too many allocations");
	return NULL;
}

void *host_page(unsigned order)
{
	return get(order, false);
}

/* ---- hooks ---- */

static void *page_alloc(void *ctx, unsigned order)
{
	assert_ptr_equal(ctx, &host);
	if (++host.allocs == host.fail_alloc)
		return NULL;
	host.pages_live += 1u << order;
	return get(order, true);
}

static void page_free(void *ctx, void *va, unsigned order)
{
	assert_ptr_equal(ctx, &host);
	for (unsigned i = 0; i < ALLOCATIONS; i++)
		if (allocations[i].va == va) {
			assert_true(allocations[i].library);
			assert_int_equal(allocations[i].order, order);
			allocations[i].va = NULL;
			host.pages_live -= 1u << order;
			free(va);
			return;
		}
	fail_msg("page_free of what was not given");
}

static kaiser_pa_t virt_to_phys(void *ctx, const void *va)
{
	assert_ptr_equal(ctx, &host);
	return (kaiser_pa_t)va;
}

static void *phys_to_virt(void *ctx, kaiser_pa_t pa)
{
	assert_ptr_equal(ctx, &host);
	for (unsigned i = 0; i < ALLOCATIONS; i++)
		if (allocations[i].va && pa >= (kaiser_pa_t)allocations[i].va &&
		    pa < (kaiser_pa_t)allocations[i].va + (UINT64_C(4096) << allocations[i].order))
			return (void *)pa;
	return NULL;
}

static uint64_t *pte(uint64_t va)
{
	uint64_t *t = host.kernel_top;

	for (unsigned level = host.five_levels ? 4 : 3; level > 0; level--) {
		uint64_t *e = &t[va >> (12 + 9 * level) & 511];
		if (!*e)
			*e = (uint64_t)host_page(0) | PTE_P | PTE_W | PTE_A;
		t = (uint64_t *)(*e & PTE_ADDR);
	}
	return &t[va >> 12 & 511];
}

static int map(void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot)
{
	uint64_t *e = pte(va);

	assert_ptr_equal(ctx, &host);
	assert_int_equal(va & 4095, 0);
	assert_int_equal(*e, 0);
	assert_ptr_not_equal(phys_to_virt(ctx, pa), NULL);
	assert_true((prot & (KAISER_PROT_W | KAISER_PROT_X)) != (KAISER_PROT_W | KAISER_PROT_X));
	if (++host.maps == host.fail_map)
		return -12;
	*e = pa | PTE_P | PTE_A | PTE_D | (prot & KAISER_PROT_W ? PTE_W : 0) |
	     (prot & KAISER_PROT_X ? 0 : PTE_NX);
	host.mappings_live++;
	return 0;
}

static void unmap(void *ctx, uint64_t va)
{
	uint64_t *e = pte(va);

	assert_ptr_equal(ctx, &host);
	assert_int_not_equal(*e, 0);
	*e = 0;
	host.mappings_live--;
}

static void call_cpus(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	unsigned self = host.cpu;

	assert_ptr_equal(ctx, &host);
	assert_false(mask >> self & 1);
	assert_int_equal(mask & ~host.k.live, 0);
	assert_true(mask == 0 || host_this()->irq_on); /* two that wait for each other never end */
	for (unsigned i = 0; i < HOST_CPUS; i++) {
		bool was = host.cpus[i].irq_on;
		if (!(mask >> i & 1))
			continue;
		host.cpu = i;
		host.cpus[i].irq_on = false;
		fn(arg);
		host.cpus[i].irq_on = was;
		host.ipis++;
	}
	host.cpu = self;
}

static void host_panic(void *ctx, const char *message)
{
	(void)ctx;
	fail_msg("panic: %s", message);
}

static const struct kaiser_ops ops = {page_alloc, page_free, virt_to_phys, phys_to_virt, map,
				      unmap,      call_cpus, NULL,         host_panic};

/* ---- hardware ---- */

struct host_cpu *host_this(void)
{
	return &host.cpus[host.cpu];
}

static uint64_t *msr(uint32_t n)
{
	struct host_cpu *c = host_this();

	switch (n) {
	case MSR_EFER:
		return &c->efer;
	case MSR_STAR:
		return &c->star;
	case MSR_LSTAR:
		return &c->lstar;
	case MSR_CSTAR:
		return &c->cstar;
	case MSR_FMASK:
		return &c->fmask;
	case MSR_GS_BASE:
		return &c->gs;
	case MSR_KERNEL_GS_BASE:
		return &c->kernel_gs;
	case MSR_SYSENTER_CS:
		return &c->sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &c->sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &c->sysenter_eip;
	case 0x8b:
		return &c->microcode;
	case 0x10a:
		return &c->arch_caps;
	case 0x6a2:
		return &c->s_cet;
	case 0xc0010131:
		return &c->sev;
	}
	fail_msg("MSR %#x: a real CPU would fault", n);
	return NULL;
}

uint64_t hw_rdmsr(uint32_t n)
{
	return *msr(n);
}
void hw_wrmsr(uint32_t n, uint64_t v)
{
	if (n != 0x8b) /* which CPUID fills in */
		*msr(n) = v;
}
uint64_t hw_read_cr3(void)
{
	return host_this()->cr3;
}
void hw_write_cr3(uint64_t v)
{
	struct host_cpu *c = host_this();

	assert_ptr_not_equal(phys_to_virt(&host, v & PTE_ADDR), NULL);
	assert_int_equal(v & KAISER_SWITCH_BIT, 0); /* C never loads a user root */
	if (c->cr4 & CR4_PCIDE) {
		assert_int_equal(v & KAISER_USER_PCID, 0);
	} else {
		assert_int_equal(v & KAISER_NOFLUSH, 0); /* #GP */
		assert_int_equal(v & KAISER_PCID_MASK, 0);
	}
	c->cr3 = v & ~KAISER_NOFLUSH;
	c->cr3_writes++;
	c->cr3_flushes += !(v & KAISER_NOFLUSH);
	host.live_at_cr3 = host.k.live;
}
void hw_write_cr4(uint64_t v)
{
	struct host_cpu *c = host_this();
	uint64_t changed = c->cr4 ^ v;

	assert_int_equal(changed & ~(uint64_t)(CR4_PGE | CR4_PCIDE), 0);
	if (changed & v & CR4_PCIDE) /* #GP */
		assert_int_equal(c->cr3 & KAISER_PCID_MASK, 0);
	if (changed & CR4_PGE)
		assert_false(c->irq_on);
	c->cr4 = v;
	c->cr4_writes++;
}
void hw_invpcid(unsigned type, uint64_t pcid, uint64_t va)
{
	struct host_cpu *c = host_this();

	assert_int_not_equal(c->cr4 & CR4_PCIDE, 0);
	assert_true((va >> 47) == 0 || (va >> 47) == 0x1ffff); /* #GP */
	assert_int_equal(pcid & ~(uint64_t)KAISER_PCID_MASK, 0);
	if (c->invpcids < HOST_LOG)
		c->invpcid[c->invpcids] = (struct host_invpcid){type, pcid, va};
	c->invpcids++;
}
uint64_t hw_read_cr4(void)
{
	return host_this()->cr4;
}
void hw_invlpg(uint64_t va)
{
	struct host_cpu *c = host_this();

	if (c->invlpgs < HOST_LOG)
		c->invlpg[c->invlpgs] = va;
	c->invlpgs++;
}
uint64_t hw_read_cr2(void)
{
	return host_this()->cr2;
}
uint16_t hw_read_cs(void)
{
	return host_this()->cs;
}
uint64_t hw_irq_save(void)
{
	bool was = host_this()->irq_on;

	host_this()->irq_on = false;
	return was ? 0x200 : 0;
}
void hw_irq_restore(uint64_t flags)
{
	if (flags & 0x200)
		host_this()->irq_on = true;
}
uint64_t hw_swap_dr7(uint64_t v)
{
	uint64_t old = host_this()->dr7;

	host_this()->dr7 = v;
	return old;
}
uint64_t hw_take_dr6(void)
{
	uint64_t old = host_this()->dr6;

	host_this()->dr6 = 0xffff0ff0;
	return old;
}
struct kaiser_cpu *hw_this_cpu(void)
{
	uint64_t gs = host_this()->gs;
	struct kaiser_cpu *c = host.k.cpu[host.cpu];

	assert_ptr_not_equal(c, NULL);
	assert_int_equal(gs,
			 host.cfg.window + (host.cpu + 1) * KAISER_CPU_STRIDE + KAISER_CPU_ENTRY);
	assert_int_equal((uint64_t)c->self, gs + KAISER_GS_PRIVATE);
	return c;
}
void hw_load_tables(const struct hw_table_ptr *writable_gdt, const struct hw_table_ptr *gdt)
{
	const uint64_t *alias = (const uint64_t *)writable_gdt->base;

	/* LTR takes an available TSS only, and makes it busy. */
	assert_int_equal(alias[KAISER_TSS_SEL / 8] >> 40 & 0x1f, 0x09);
	((uint64_t *)writable_gdt->base)[KAISER_TSS_SEL / 8] |= UINT64_C(2) << 40;
	assert_int_equal(*pte(gdt->base) & PTE_ADDR, writable_gdt->base);
	host_this()->gdt = *gdt;
}
void hw_load_idt(const struct hw_table_ptr *idt)
{
	struct host_cpu *c = host_this();

	/* The last step: gates are live from here on. */
	assert_true(c->gs && c->lstar && c->cstar && c->gdt.base && (c->efer & EFER_SCE));
	c->idt = *idt;
	c->idt_loads++;
}
void hw_load_ldt(uint16_t selector)
{
	struct host_cpu *c = host_this();
	const uint64_t *gdt = host.k.cpu[host.cpu]->page[0];
	uint64_t d = gdt[selector / 8], base;

	c->ldt_base = c->ldt_limit = 0;
	c->ldt_loads++;
	if (!selector)
		return;
	assert_int_equal(selector & 7, 0);
	assert_int_equal(d >> 40 & 0xff, 0x82); /* LLDT takes a present LDT only */
	base = (d >> 16 & 0xffffff) | (d >> 56) << 24 | gdt[selector / 8 + 1] << 32;
	c->ldt_base = base;
	c->ldt_limit = (unsigned)(d & 0xffff);
}
void hw_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	(void)sub;
	memset(r, 0, 16);
	for (unsigned i = 0; i < host.cpuids; i++)
		if (host.cpuid[i].leaf == leaf)
			memcpy(r, host.cpuid[i].r, 16);
}

/* ---- handlers ---- */

void kaiser_on_syscall(struct pt_regs *regs)
{
	(void)regs;
}
void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector)
{
	(void)regs;
	host.interrupts++;
	host.last_vector = vector;
}
void kaiser_on_nmi(struct pt_regs *regs)
{
	(void)regs;
	host.nmis++;
}
void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6)
{
	(void)regs;
	assert_int_equal(host_this()->dr7, 0x400);
	host.debugs++;
	host.last_dr6 = dr6;
}
void kaiser_on_machine_check(struct pt_regs *regs)
{
	(void)regs;
	host.mcs++;
}
void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	(void)regs;
	(void)cr2;
	fail_msg("#DF");
	abort();
}

/* ---- set-up ---- */

void host_set_cpuid(uint32_t leaf, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	unsigned i = 0;

	while (i < host.cpuids && host.cpuid[i].leaf != leaf)
		i++;
	assert_true(i < 16);
	host.cpuid[i] = (struct host_cpuid){leaf, {a, b, c, d}};
	if (i == host.cpuids)
		host.cpuids++;
}

void host_give_pcid(bool invpcid)
{
	host_set_cpuid(1, 0x000506e3, 0, 1u << 17, 1u << 13);
	host_set_cpuid(7, 0, 1u << 20 | (invpcid ? 1u << 10 : 0), 0, 1u << 10);
	for (unsigned i = 0; i < HOST_CPUS; i++)
		host.cpus[i].cr4 |= CR4_PGE;
}

void host_forget_flushes(void)
{
	for (unsigned i = 0; i < HOST_CPUS; i++)
		host.cpus[i].invlpgs = host.cpus[i].cr3_writes = host.cpus[i].cr3_flushes =
			host.cpus[i].cr4_writes = host.cpus[i].invpcids = 0;
	host.ipis = 0;
}

uint64_t *host_pair(unsigned cpu)
{
	return (uint64_t *)(host.cpus[cpu].cr3 & PTE_ADDR);
}

uint64_t host_leaf(const uint64_t *root, uint64_t va)
{
	const uint64_t *t = root;

	for (unsigned level = host.k.levels - 1; level > 0; level--) {
		uint64_t e = t[va >> (12 + 9 * level) & 511];
		if (!(e & PTE_P))
			return 0;
		t = (const uint64_t *)(e & PTE_ADDR);
	}
	return t[va >> 12 & 511];
}

void host_free(void)
{
	for (unsigned i = 0; i < ALLOCATIONS; i++) {
		free(allocations[i].va);
		allocations[i].va = NULL;
	}
}

void host_init(unsigned cpus)
{
	uint64_t target = HOST_WINDOW - 0x10000000; /* where this kernel's text is said to be */

	host_free();
	memset(&host, 0, sizeof(host));
	host.kernel_top = host_page(1);
	pte(HOST_WINDOW); /* top-level entries are final before kaiser_init() */
	host.cfg = (struct kaiser_config){
		.ops = &ops,
		.ctx = &host,
		.window = HOST_WINDOW,
		.cpus = cpus,
		.host_pages = 1,
		.kernel_root = (kaiser_pa_t)host.kernel_top,
		.user_end = HOST_USER_END,
	};
	for (unsigned i = 0; i < HOST_CPUS; i++) {
		host.cpus[i].efer = EFER_NXE;
		host.cpus[i].cs = KAISER_KERNEL_CS;
		host.cpus[i].dr6 = 0xffff0ff0;
		host.cpus[i].dr7 = 0x400;
		host.cpus[i].cr3 = (uint64_t)host.kernel_top;
	}
	host_set_cpuid(0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
	host_set_cpuid(1, 0x000506e3, 0, 0, 0);
	host_set_cpuid(7, 0, 1u << 20, 0, 1u << 10);
	host_set_cpuid(0x80000000, 0x80000008, 0, 0, 0);
	host_set_cpuid(0x80000008, 48, 0, 0, 0);
	for (struct patch *p = kaiser_patch_start; p < kaiser_patch_end; p++, target += 0x100)
		p->target = (const char *)target;
}

void host_five_levels(void)
{
	memset(host.kernel_top, 0, 4096); /* the old tables go with host_free() */
	host.five_levels = true;
	pte(HOST_WINDOW);
	for (unsigned i = 0; i < HOST_CPUS; i++)
		host.cpus[i].cr4 |= CR4_LA57;
}

void host_bring_up(unsigned cpus, enum kaiser_mode mode)
{
	host_init(cpus);
	host_enter_all(cpus, mode);
}

void host_enter_all(unsigned cpus, enum kaiser_mode mode)
{
	host.cfg.mode = mode;
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	for (unsigned i = 0; i < cpus; i++) {
		assert_int_equal(kaiser_cpu_prepare(&host.k, i), 0);
		host.cpu = i;
		assert_int_equal(kaiser_cpu_enter(&host.k, i, 0x1000 * (i + 1)), 0);
		host.cpus[i].irq_on = true;
	}
	host.cpu = 0;
	host_forget_flushes();
}
