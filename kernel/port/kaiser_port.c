/* SPDX-License-Identifier: MIT */
/*
 * The only file that knows libkaiser: the hooks it calls, the handlers its gates lead to, and the
 * report. Another kernel that embeds the library writes a file like this one.
 */
#include <kaiser/verify.h>

#include "boot.h"
#include "cpu.h"
#include "ia32.h"
#include "kmap.h"
#include "page.h"
#include "port.h"
#include "printk.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"
#include "vfs.h"

struct kaiser kaiser;
bool percpu_ready HOT_DATA;

/* ---- hooks ---- */

static void *hook_page_alloc(unused void *ctx, unsigned order)
{
	struct page *p = page_alloc(order, PAGE_ZERO);

	return p ? page_to_virt(p) : NULL;
}

static void hook_page_free(unused void *ctx, void *va, unsigned order)
{
	page_free(phys_to_page(virt_to_phys(va)), order);
}

static kaiser_pa_t hook_virt_to_phys(unused void *ctx, const void *va)
{
	return virt_to_phys(va);
}

static void *hook_phys_to_virt(unused void *ctx, kaiser_pa_t pa)
{
	return phys_to_virt(pa);
}

static int hook_map(unused void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot)
{
	unsigned p = KMAP_R;

	if (prot & KAISER_PROT_W)
		p |= KMAP_W;
	if (prot & KAISER_PROT_X)
		p |= KMAP_X;
	return kmap_map(va, pa, 1, p);
}

static void hook_unmap(unused void *ctx, uint64_t va)
{
	kmap_unmap(va, 1);
}

static void hook_call_cpus(unused void *ctx, uint64_t mask, void (*fn)(void *), void *arg)
{
	cpu_call(mask, fn, arg);
}

static void hook_panic(unused void *ctx, const char *message)
{
	panic("libkaiser: %s", message);
}

static const struct kaiser_ops ops = {
	.page_alloc = hook_page_alloc,
	.page_free = hook_page_free,
	.virt_to_phys = hook_virt_to_phys,
	.phys_to_virt = hook_phys_to_virt,
	.map = hook_map,
	.unmap = hook_unmap,
	.call_cpus = hook_call_cpus,
	.panic = hook_panic,
};

/* ---- bringing it up ---- */

enum { EXTRA_PAGES = 4 }; /* room for libkaiser's extra mappings, of each CPU */
_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "one page of host data is mapped per CPU");

int cpu_prepare(unsigned id, uint32_t apic_id)
{
	int err = kaiser_cpu_prepare(&kaiser, id);
	struct cpu *c;

	if (err)
		return err == KAISER_E_NOMEM || err == KAISER_E_MAP ? -ENOMEM : -EINVAL;
	c = kaiser_cpu_host_area(&kaiser, id);
	c->self = c;
	c->id = id;
	c->apic_id = apic_id;
	cpus[id] = c;
	return 0;
}

void port_enter_cpu(unsigned id, uint64_t kstack_top)
{
	int err = kaiser_cpu_enter(&kaiser, id, kstack_top);

	if (err)
		panic("CPU %u cannot enter the gates: %s", id, kaiser_strerror(err));
	user_access_init(cpu_has(CPU_SMAP));
}

void port_init(const struct boot_info *bi)
{
	struct kaiser_config cfg = {
		.ops = &ops,
		.window = bi->window_base,
		.cpus = MAX_CPUS,
		.host_pages = 1,
		.extra_pages = EXTRA_PAGES,
		.kernel_root = bi->kernel_root,
		.ldt_top = bi->ldt_top,
		.user_end = USER_END,
		.mode = kaiser_policy_parse(bi->cmdline),
		.ia32 = true,
		.no_pcid = kaiser_policy_parse_nopcid(bi->cmdline),
	};
	int err = kaiser_init(&kaiser, &cfg);

	if (err)
		panic("libkaiser refuses: %s", kaiser_strerror(err));
	if (cpu_prepare(0, 0))
		panic("out of memory for the boot CPU's window");
	port_enter_cpu(0, 0);
	percpu_ready = true;
	printk("kaiser: isolation %s: %s\n", kaiser.policy.isolate ? "on" : "off",
	       kaiser.policy.reason);
	printk("kaiser: PCID %s: %s\n", kaiser.policy.pcid ? "used" : "not used",
	       kaiser.policy.pcid_reason);
	if (!kaiser.policy.isolate && kaiser.policy.meltdown)
		printk("kaiser: this CPU is vulnerable to Meltdown\n");
}

static void verify_line(unused void *arg, const char *text)
{
	printk("kaiser: %s\n", text);
}

static int verify(void (*line)(void *arg, const char *text), void *arg)
{
	int findings;

	port_isolation_lock();
	findings = kaiser_verify(&kaiser, line, arg);
	port_isolation_unlock();
	return findings;
}

static void verify_or_panic(void)
{
	if (verify(verify_line, NULL) > 0)
		panic("the page tables do not isolate as they should");
}

/* Two pages for each CPU, one of them writable, in its user roots and out again: for tests. */
static void try_extra(void)
{
	uint64_t at[MAX_CPUS][2];
	struct page *p = page_alloc(1, PAGE_ZERO);
	char *pages = p ? page_to_virt(p) : NULL;
	int err = p ? KAISER_OK : KAISER_E_NOMEM;

	for (unsigned i = 0; i < 2 * ncpus && !err; i++)
		err = kaiser_extra_add(&kaiser, i / 2, pages + i % 2 * PAGE_SIZE, 1,
				       i % 2 ? KAISER_PROT_W : KAISER_PROT_R, &at[i / 2][i % 2]);
	if (err)
		panic("extra mappings: %s", kaiser_strerror(err));
	printk("kaiser: with two extra pages a CPU:\n");
	verify_or_panic();
	for (unsigned i = 0; i < ncpus; i++)
		if (kaiser_extra_remove(&kaiser, i, at[i][1]) ||
		    kaiser_extra_remove(&kaiser, i, at[i][0]))
			panic("an extra mapping is not found again");
	page_free(p, 1);
	printk("kaiser: and without them:\n");
}

void port_verify(void)
{
	if (cmdline_has("debug_extra"))
		try_extra();
	verify_or_panic();
}

#ifdef KAISER_DEBUG
static void no_line(unused void *arg, unused const char *text)
{
}

void port_verify_exec(void)
{
	if (verify(no_line, NULL) > 0)
		port_verify();
}
#else
void port_verify_exec(void)
{
}
#endif

/* ---- handlers ---- */

/* kaiser_on_syscall() is in sys/entry.S. */

void kaiser_on_ia32(struct pt_regs *regs, unsigned how)
{
	ia32_syscall(regs, how);
}

void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector)
{
	if (vector < 32)
		trap_exception(regs, vector);
	else
		irq_dispatch(regs, vector);
	if (kaiser_user_mode(regs))
		exit_to_user_work(regs, false);
}

void kaiser_on_nmi(struct pt_regs *regs)
{
	trap_nmi(regs);
}

void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6)
{
	trap_debug(regs, dr6);
	if (!kaiser_user_mode(regs))
		return;
	exit_to_user_work(regs, false);
	debugreg_load(&current->debugreg); /* the library cleared DR7 */
}

void kaiser_on_machine_check(struct pt_regs *regs)
{
	trap_machine_check(regs);
	if (kaiser_user_mode(regs))
		exit_to_user_work(regs, false);
}

void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	trap_double_fault(regs, cr2);
}

/* ---- reports ---- */

/* Which root was live, for a reader of the log or of a dump: the switch bit tells, and the slot. */
static void print_roots(void)
{
	struct kaiser_slot_info si;
	uint64_t cr3;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	printk("live root: CR3 0x%lx, a %s root\n", (unsigned long)cr3,
	       cr3 & KAISER_SWITCH_BIT ? "user" : "kernel");
	for (unsigned i = 0; kaiser_slot_info(&kaiser, this_cpu()->id, i, &si); i++)
		if (si.space_id)
			printk("slot %u: kernel root 0x%lx, user root 0x%lx, space %lu%s%s\n", i,
			       (unsigned long)si.kernel_root, (unsigned long)si.user_root,
			       (unsigned long)si.space_id, si.loaded ? ", loaded" : "",
			       si.isolated ? "" : ", not isolated");
}

void panic_hook(void)
{
	if (!percpu_ready)
		return;
	print_roots();
#ifdef KAISER_DEBUG
	printk("last transitions of CPU %u, oldest first:\n", this_cpu()->id);
	kaiser_trace_dump(&kaiser, this_cpu()->id, verify_line, NULL);
#endif
}

static const char *const mode_name[] = {
	[KAISER_AUTO] = "auto",
	[KAISER_ON] = "on",
	[KAISER_OFF] = "off",
};

static void show_slots(struct seq *s)
{
	struct kaiser_slot_info si;

	for (unsigned cpu = 0; cpu < ncpus; cpu++)
		for (unsigned i = 0; kaiser_slot_info(&kaiser, cpu, i, &si); i++)
			seq_printf(s, "slot:\tcpu %u slot %u space %lu%s%s\n", cpu, i,
				   (unsigned long)si.space_id, si.loaded ? " loaded" : "",
				   si.isolated ? " isolated" : "");
}

static void show_stats(struct seq *s)
{
	struct kaiser_stats st;

	kaiser_stats(&kaiser, &st);
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{"switches", st.switches},         {"recycled_slots", st.recycles},
		{"lazy_switches", st.lazy},        {"lazy_catch_ups", st.lazy_catch_ups},
		{"cr3_writes", st.cr3_writes},     {"cr3_flushes", st.cr3_flushes},
		{"user_flushes", st.user_flushes}, {"flush_pages", st.flush_pages},
		{"flush_full", st.flush_full},     {"flush_ipis", st.flush_ipis},
		{"flush_lazy", st.flush_lazy},     {"invpcid_pages", st.invpcid_pages},
		{"invpcid_all", st.invpcid_all},   {"pge_toggles", st.pge_toggles},
		{"pge_was_off", st.pge_was_off},   {"top_writes", st.top_writes},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(s, "%s:\t%lu\n", lines[i].name, (unsigned long)lines[i].value);
}

static void finding_line(void *arg, const char *text)
{
	seq_printf(arg, "check:\t%s\n", text);
}

/* Addresses stay out: the file is for everybody. */
static void show_kaiser(struct seq *s)
{
	int findings;

	seq_printf(s, "mode:\t%s\n", kaiser.policy.isolate ? "on" : "off");
	seq_printf(s, "asked:\t%s\n", mode_name[kaiser.policy.asked]);
	seq_printf(s, "reason:\t%s\n", kaiser.policy.reason);
	seq_printf(s, "meltdown:\t%s\n",
		   !kaiser.policy.meltdown ? "not affected"
		   : kaiser.policy.isolate ? "mitigated: kernel out of user page tables"
					   : "vulnerable");
	seq_printf(s, "verw:\t%s\n",
		   kaiser.policy.verw ? "on every exit" : "not needed or not there");
	seq_printf(s, "pcid:\t%s: %s\n", kaiser.policy.pcid ? "used" : "not used",
		   kaiser.policy.pcid_reason);
	seq_printf(s, "levels:\t%u\n", paging_levels);
	seq_printf(s, "cpus:\t%u\n", ncpus);
	seq_printf(s, "opted_out:\t%u\n", kaiser.opted_out);
	findings = verify(finding_line, s);
	seq_printf(s, "verdict:\t%s\n",
		   findings < 0             ? "could not be checked"
		   : findings               ? "NOT isolated as it should be"
		   : !kaiser.policy.isolate ? "not isolated, as asked"
		   : kaiser.opted_out       ? "isolated, but for what opted out"
					    : "isolated");
	show_stats(s);
	show_slots(s);
}

void port_procfs_init(void)
{
	procfs_register("kaiser", show_kaiser);
	port_isolation_init();
}
