/* SPDX-License-Identifier: MIT */
/* Bringing it up: the shared pages of the window, a CPU's stride, and the moment the gates go live.
 */
#include "internal.h"

#define WINDOW_ALIGN    (UINT64_C(2) << 20)
#define EXTRA_PAGES_MAX 256

/* A CPU's stride, page by page: runs of pages that kernel roots map. */
struct run {
	uint32_t offset;
	uint8_t pages;
	uint8_t prot;
};

static const struct run runs[] = {
	{KAISER_CPU_PRIVATE, 1, KAISER_PROT_W},
	{KAISER_CPU_DESC, 1, KAISER_PROT_R},
	{KAISER_CPU_ENTRY, 1, KAISER_PROT_W},
	{KAISER_CPU_DF_STACK, KAISER_IST_STACK_PAGES, KAISER_PROT_W},
	{KAISER_CPU_MC_STACK, KAISER_IST_STACK_PAGES, KAISER_PROT_W},
	{KAISER_CPU_DB_STACK, KAISER_IST_STACK_PAGES, KAISER_PROT_W},
	{KAISER_CPU_NMI_STACK, KAISER_IST_STACK_PAGES, KAISER_PROT_W},
#ifdef KAISER_DEBUG
	{KAISER_CPU_TRACE, 1, KAISER_PROT_W},
#endif
};

uint64_t kaiser_window_bytes(unsigned cpus)
{
	return kaiser_window_bytes_for(cpus, 0);
}

uint64_t kaiser_window_bytes_for(unsigned cpus, unsigned extra_pages)
{
	uint64_t n = (uint64_t)(cpus + 1) * KAISER_CPU_STRIDE +
		     (uint64_t)cpus * extra_pages * KAISER_PAGE_SIZE;

	return (n + WINDOW_ALIGN - 1) & ~(WINDOW_ALIGN - 1);
}

/* User roots reach the window through one top-level entry. */
static bool one_top_entry(uint64_t window, uint64_t bytes)
{
	return window >> 39 == (window + bytes - 1) >> 39;
}

static bool config_ok(const struct kaiser_config *cfg)
{
	const struct kaiser_ops *o = cfg->ops;

	if (!o || !o->page_alloc || !o->page_free || !o->virt_to_phys || !o->phys_to_virt ||
	    !o->map != !o->unmap || !o->panic)
		return false;
	if (cfg->cpus > 1 && !o->call_cpus && !o->interrupt_cpus)
		return false;
	if (cfg->cpus < 1 || cfg->cpus > KAISER_MAX_CPUS)
		return false;
	if (cfg->host_pages < 1 || cfg->host_pages > KAISER_HOST_MAX_PAGES)
		return false;
	if (cfg->window & (WINDOW_ALIGN - 1) || !(cfg->window >> 63) ||
	    cfg->extra_pages > EXTRA_PAGES_MAX ||
	    !one_top_entry(cfg->window, kaiser_window_bytes_for(cfg->cpus, cfg->extra_pages)))
		return false;
	return cfg->kernel_root && !(cfg->kernel_root & (KAISER_PAGE_SIZE - 1)) &&
	       cfg->user_end > KAISER_PAGE_SIZE && !(cfg->user_end & (KAISER_PAGE_SIZE - 1));
}

static void *shared_page(struct kaiser *k)
{
	return k->cfg.ops->page_alloc(k->cfg.ctx, 0);
}

static void give_back_shared(struct kaiser *k, unsigned mapped)
{
	const struct kaiser_ops *o = k->cfg.ops;
	void *pages[] = {k->idt,      k->text_user, k->text_kernel,
			 k->ktext[0], k->ktext[1],  k->empty.top};

	for (unsigned i = 0; i < mapped; i++)
		kaiser_kunmap(k, k->cfg.window + i * KAISER_PAGE_SIZE);
	for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (pages[i])
			o->page_free(k->cfg.ctx, pages[i], 0);
	*k = (struct kaiser){0};
}

static int build_shared(struct kaiser *k, unsigned *mapped)
{
	void *in_window[] = {NULL, NULL, NULL, NULL}; /* IDT, gate text, kernel text: in order */
	const uint64_t *top;
	int err;

	k->idt = shared_page(k);
	k->text_user = shared_page(k);
	k->text_kernel = shared_page(k);
	for (unsigned i = 0; i < KAISER_KTEXT_PAGES; i++)
		k->ktext[i] = shared_page(k);
	k->empty.top = shared_page(k);
	if (!k->idt || !k->text_user || !k->text_kernel || !k->ktext[0] || !k->ktext[1] ||
	    !k->empty.top)
		return KAISER_E_NOMEM;
	err = kaiser_views_build(k);
	if (err)
		return err;
	kaiser_idt_build(k);
	in_window[0] = k->idt;
	in_window[1] = k->text_kernel;
	in_window[2] = k->ktext[0];
	in_window[3] = k->ktext[1];
	for (; *mapped < 4; ++*mapped) {
		err = kaiser_kmap(k, k->cfg.window + *mapped * KAISER_PAGE_SIZE, in_window[*mapped],
				  *mapped ? KAISER_PROT_X : KAISER_PROT_R);
		if (err)
			return err;
	}
	top = k->cfg.ops->phys_to_virt(k->cfg.ctx, k->cfg.kernel_root);
	for (unsigned i = 0; i < 256; i++)
		k->kernel_half[i] = top[256 + i];
	if (!kaiser_ldt_config_ok(k))
		return KAISER_E_ARG;
	return kaiser_space_init(k, &k->empty, k->empty.top);
}

_Static_assert(KAISER_KTEXT_PAGES == 2, "build_shared() names each page");

int kaiser_init(struct kaiser *k, const struct kaiser_config *cfg)
{
	unsigned mapped = 0;
	int err;

	if (!k || !cfg || !config_ok(cfg))
		return KAISER_E_ARG;
	if (cfg->kernel_root & KAISER_SWITCH_BIT)
		return KAISER_E_FOREIGN;
	if (k->cfg.ops)
		return KAISER_E_STATE;
	err = kaiser_policy_refuse();
	if (err)
		return err;
	k->cfg = *cfg;
	k->nx = hw_rdmsr(MSR_EFER) & EFER_NXE;
	k->levels = hw_read_cr4() & CR4_LA57 ? 5 : 4;
	k->pge = kaiser_cpu_has_pge();
	kaiser_policy_decide(&k->policy, cfg->mode);
	kaiser_pcid_decide(&k->policy, cfg->no_pcid);
	err = build_shared(k, &mapped);
	if (err)
		give_back_shared(k, mapped);
	return err;
}

static void stride_free(struct kaiser *k, unsigned cpu, void *page[KAISER_STRIDE_PAGES])
{
	kaiser_run_free(k, cpu, 0, KAISER_STRIDE_PAGES, page);
}

void kaiser_run_free(struct kaiser *k, unsigned cpu, uint32_t offset, unsigned pages,
		     void *page[KAISER_STRIDE_PAGES])
{
	unsigned first = offset / KAISER_PAGE_SIZE;

	for (unsigned i = first; i < first + pages; i++) {
		if (!page[i])
			continue;
		kaiser_kunmap(k, cpu_base(k, cpu) + i * KAISER_PAGE_SIZE);
		k->cfg.ops->page_free(k->cfg.ctx, page[i], 0);
		page[i] = NULL;
	}
}

int kaiser_run_alloc(struct kaiser *k, unsigned cpu, uint32_t offset, unsigned pages, unsigned prot,
		     void *page[KAISER_STRIDE_PAGES])
{
	const struct kaiser_ops *o = k->cfg.ops;

	for (unsigned i = 0; i < pages; i++) {
		unsigned at = offset / KAISER_PAGE_SIZE + i;
		void *p = o->page_alloc(k->cfg.ctx, 0);
		if (!p)
			return KAISER_E_NOMEM;
		int err = kaiser_kmap(k, cpu_base(k, cpu) + at * KAISER_PAGE_SIZE, p, prot);
		if (err) {
			o->page_free(k->cfg.ctx, p, 0);
			return err;
		}
		page[at] = p;
	}
	return KAISER_OK;
}

static bool kernel_half_unchanged(const struct kaiser *k)
{
	const uint64_t *top = k->cfg.ops->phys_to_virt(k->cfg.ctx, k->cfg.kernel_root);

	for (unsigned i = 0; i < 256; i++) /* the CPU may set the accessed bit */
		if ((top[256 + i] | PTE_A) != (k->kernel_half[i] | PTE_A))
			return false;
	return true;
}

static void cpu_fill(struct kaiser *k, struct kaiser_cpu *c)
{
	extern const char kaiser_exit_user[];
	uint64_t entry = cpu_base(k, c->number) + KAISER_CPU_ENTRY;

	c->exit_va = window_va(k, kaiser_exit_user);
	c->self = (struct kaiser_cpu *)(entry + KAISER_GS_PRIVATE);
	c->user_end = k->cfg.user_end - KAISER_PAGE_SIZE;
	c->entry_top = c->iret_top = entry + KAISER_ENTRY_STACK_TOP;
	kaiser_descriptors_build(k, c->number, c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE]);
}

int kaiser_cpu_prepare(struct kaiser *k, unsigned cpu)
{
	void *page[KAISER_STRIDE_PAGES] = {NULL};
	struct kaiser_cpu *c;
	int err = KAISER_OK;

	if (!k || cpu >= k->cfg.cpus)
		return KAISER_E_ARG;
	if (k->cpu[cpu])
		return KAISER_E_STATE;
	if (!kernel_half_unchanged(k))
		return KAISER_E_KERNEL_HALF;
	for (unsigned i = 0; !err && i < sizeof(runs) / sizeof(runs[0]); i++)
		err = kaiser_run_alloc(k, cpu, runs[i].offset, runs[i].pages, runs[i].prot, page);
	if (!err)
		err = kaiser_run_alloc(k, cpu, KAISER_CPU_HOST, k->cfg.host_pages, KAISER_PROT_W,
				       page);
	if (err) {
		stride_free(k, cpu, page);
		return err;
	}
	c = page[KAISER_CPU_PRIVATE / KAISER_PAGE_SIZE];
	c->k = k;
	c->number = cpu;
	for (unsigned i = 0; i < KAISER_STRIDE_PAGES; i++)
		c->page[i] = page[i];
	err = kaiser_window_tables_build(k, c);
	if (!err)
		err = kaiser_ldt_cpu_alloc(k, c);
	if (!err && k->iomaps)
		err = kaiser_iomap_cpu_alloc(k, c);
	if (!err)
		err = kaiser_slots_alloc(k, c);
	if (err) {
		kaiser_run_free(k, cpu, KAISER_CPU_IOMAP, KAISER_IOMAP_PAGES, c->page);
		kaiser_ldt_cpu_free(k, c);
		kaiser_window_tables_free(k, c);
		stride_free(k, cpu, page);
		return err;
	}
	cpu_fill(k, c);
	k->cpu[cpu] = c;
	return KAISER_OK;
}

void *kaiser_cpu_host_area(struct kaiser *k, unsigned cpu)
{
	if (cpu >= k->cfg.cpus || !k->cpu[cpu])
		return NULL;
	return (void *)(cpu_base(k, cpu) + KAISER_CPU_HOST);
}

/* SYSCALL clears all flags but the fixed one: TF, IF, DF, IOPL, NT, AC and the arithmetic ones. */
#define FMASK UINT64_C(0x257fd5)

static void syscall_msrs(struct kaiser *k, const struct kaiser_cpu *c)
{
	extern const char kaiser_entry_syscall64[], kaiser_entry_syscall32[],
		kaiser_entry_syscall32_closed[], kaiser_entry_sysenter[];
	bool ia32 = k->cfg.ia32;

	hw_wrmsr(MSR_STAR, (uint64_t)KAISER_USER32_CS << 48 | (uint64_t)KAISER_KERNEL_CS << 32);
	hw_wrmsr(MSR_LSTAR, window_va(k, kaiser_entry_syscall64));
	/* Always: Intel's CPUs have no SYSCALL in compatibility mode, but what calls itself one
	 * may. */
	hw_wrmsr(MSR_CSTAR,
		 window_va(k, ia32 ? kaiser_entry_syscall32 : kaiser_entry_syscall32_closed));
	hw_wrmsr(MSR_FMASK, FMASK);
	/* With 0 SYSENTER is #GP. RSP is used as a register only; should anything fault before, the
	 * frame goes where both roots map a stack. */
	hw_wrmsr(MSR_SYSENTER_CS, ia32 ? KAISER_KERNEL_CS : 0);
	hw_wrmsr(MSR_SYSENTER_ESP, ia32 ? c->entry_top : 0);
	hw_wrmsr(MSR_SYSENTER_EIP, ia32 ? window_va(k, kaiser_entry_sysenter) : 0);
	hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_SCE);
}

int kaiser_cpu_enter(struct kaiser *k, unsigned cpu, uint64_t kstack_top)
{
	struct kaiser_cpu *c = cpu < k->cfg.cpus ? k->cpu[cpu] : NULL;
	struct hw_table_ptr writable, gdt, idt;
	int err;

	if (!c || c->entered)
		return KAISER_E_STATE;
	err = kaiser_pcid_enter(k);
	if (err)
		return err;
	c->kstack_top = kstack_top - KAISER_KSTACK_PAD;
	gdt.limit = writable.limit = KAISER_GDT_ENTRIES * 8 - 1;
	gdt.base = cpu_base(k, cpu) + KAISER_CPU_DESC;
	writable.base = (uint64_t)c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE];
	/* A CPU that comes back finds its TSS busy, and LTR would refuse it. */
	((uint64_t *)writable.base)[KAISER_TSS_SEL / 8] &= ~(UINT64_C(2) << 40);
	hw_load_tables(&writable, &gdt);
	hw_wrmsr(MSR_GS_BASE, cpu_base(k, cpu) + KAISER_CPU_ENTRY);
	hw_wrmsr(MSR_KERNEL_GS_BASE, 0);

	/* The first root of ours: the empty space in slot 0. */
	c->foreign = true;
	c->loaded = c->slots - 1;
	c->exit_cr3 = 0;
	c->entered = true;
	kaiser_space_switch(k, NULL);
	kaiser_call_pass_by(k, cpu_bit(c)); /* asked before it left: the interrupt may be lost */
	__atomic_or_fetch(&k->live, cpu_bit(c), __ATOMIC_SEQ_CST);
	kaiser_mode_here(k); /* a change may not have seen us in `live` */

	syscall_msrs(k, c);
	idt.limit = KAISER_VECTORS * 16 - 1;
	idt.base = k->cfg.window + KAISER_WIN_IDT;
	hw_load_idt(&idt);
	return KAISER_OK;
}
