/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. User mode is told from kernel mode by the saved CS alone. From user mode everything
 * becomes a signal; from kernel mode only the user-access routines may fault.
 */
#include "boot.h"
#include "cpu.h"
#include "kmap.h"
#include "port.h"
#include "printk.h"
#include "signal.h"
#include "sweep.h"
#include "task.h"
#include "uaccess.h"

#define PF_PRESENT BIT(0)
#define PF_WRITE   BIT(1)
#define PF_USER    BIT(2)
#define PF_EXEC    BIT(4)
#define FLAGS_TF   BIT(8)
#define FLAGS_IF   BIT(9)
#define FLAGS_RF   BIT(16)

/* Then the call says EFAULT: whoever is to die may wait for something that the caller holds. */
#define OOM_TRIES 400

static bool nmi_panics;

struct fault_kind {
	uint8_t sig, code;
	const char *name;
};

static const struct fault_kind kinds[32] = {
	[0] = {SIGFPE, FPE_INTDIV, "divide error"},
	[1] = {SIGTRAP, TRAP_TRACE, "debug exception"},
	[3] = {SIGTRAP, SI_KERNEL, "breakpoint"},
	[4] = {SIGSEGV, SI_KERNEL, "overflow"},
	[5] = {SIGSEGV, SI_KERNEL, "bound range"},
	[6] = {SIGILL, ILL_ILLOPN, "invalid opcode"},
	[7] = {SIGILL, ILL_ILLOPN, "device not available"},
	[9] = {SIGSEGV, SI_KERNEL, "coprocessor segment overrun"},
	[10] = {SIGSEGV, SI_KERNEL, "invalid TSS"},
	[11] = {SIGBUS, SI_KERNEL, "segment not present"},
	[12] = {SIGBUS, SI_KERNEL, "stack fault"},
	[13] = {SIGSEGV, SI_KERNEL, "general protection"},
	[14] = {SIGSEGV, SEGV_MAPERR, "page fault"},
	[16] = {SIGFPE, FPE_FLTINV, "x87 error"},
	[17] = {SIGBUS, BUS_ADRALN, "alignment check"},
	[18] = {SIGBUS, BUS_ADRERR, "machine check"},
	[19] = {SIGFPE, FPE_FLTINV, "SIMD error"},
};

static const char *kind_name(unsigned vector)
{
	return vector < 32 && kinds[vector].name ? kinds[vector].name : "reserved exception";
}

static void print_regs(const struct pt_regs *r)
{
	printk("ip %04lx:%016lx  sp %04lx:%016lx  flags %08lx\n", r->cs, r->ip, r->ss, r->sp,
	       r->flags);
	printk("ax %016lx bx %016lx cx %016lx dx %016lx\n", r->ax, r->bx, r->cx, r->dx);
	printk("si %016lx di %016lx bp %016lx r8 %016lx\n", r->si, r->di, r->bp, r->r8);
	printk("r9 %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	printk("r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}

static noreturn void die(const struct pt_regs *regs, unsigned vector, uint64_t addr)
{
	print_regs(regs);
	print_backtrace((const void *)regs->bp);
	if (vector == 14)
		panic("%s in the kernel at %016lx, address %016lx, error %lx", kind_name(vector),
		      regs->ip, addr, regs->orig_ax);
	panic("%s (vector %u, error %lx) in the kernel at %016lx", kind_name(vector), vector,
	      regs->orig_ax, regs->ip);
}

static void segv(struct pt_regs *regs, int sig, int code, uint64_t addr)
{
	signal_fault(sig, code, addr, regs);
}

/* The user-access routines recover; anything else is a bug. */
static void kernel_page_fault(struct pt_regs *regs, uint64_t addr)
{
	uint64_t fixup = uaccess_fixup(regs->ip);
	int err = -EFAULT;

	if (!fixup || !(regs->flags & FLAGS_IF))
		die(regs, 14, addr);
	if (addr < USER_END && current->mm) {
		irq_enable();
		err = mm_fault(current->mm, addr, regs->orig_ax & PF_WRITE, false);
		for (unsigned i = 0; i < OOM_TRIES && err == -ENOMEM && !task_dying(current); i++) {
			oom_relieve();
			err = mm_fault(current->mm, addr, regs->orig_ax & PF_WRITE, false);
		}
		irq_disable();
	}
	if (err)
		regs->ip = fixup;
}

static void user_page_fault(struct pt_regs *regs, uint64_t addr)
{
	int err = -EFAULT;

	irq_enable();
	/* A mapped page was refused to the CPU itself, as a supervisor: SMAP, by which an emulator
	 * reads the stack of ring 3's IRET. To try again would fault for ever. */
	if (addr < USER_END && (regs->orig_ax & (PF_PRESENT | PF_USER)) == PF_PRESENT)
		err = -EACCES;
	else if (addr < USER_END)
		err = mm_fault(current->mm, addr, regs->orig_ax & PF_WRITE,
			       regs->orig_ax & PF_EXEC);
	switch (err) {
	case 0:
		break;
	case -EACCES:
		segv(regs, SIGSEGV, SEGV_ACCERR, addr);
		break;
	case -EIO:
		segv(regs, SIGBUS, BUS_ADRERR, addr);
		break;
	case -ENOMEM:
		oom_relieve(); /* and again, if it lives */
		break;
	default:
		segv(regs, SIGSEGV, SEGV_MAPERR, addr);
	}
	irq_disable();
}

static uint64_t read_cr2(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr2, %0" : "=r"(v));
	return v;
}

void trap_exception(struct pt_regs *regs, unsigned vector)
{
	if (vector == 14) {
		uint64_t addr = read_cr2();
		if (kaiser_user_mode(regs))
			user_page_fault(regs, addr);
		else
			kernel_page_fault(regs, addr);
		return;
	}
	if (kaiser_user_mode(regs)) {
		struct fault_kind k = kinds[vector];
		bool has_address = k.code != SI_KERNEL;
		int code = k.code == SI_KERNEL ? (int)SI_KERNEL : k.code;
		current->trap_vector = (uint8_t)vector;
		irq_enable();
		signal_fault(k.sig ? k.sig : SIGSEGV, k.sig ? code : (int)SI_KERNEL,
			     has_address ? regs->ip : 0, regs);
		irq_disable();
		return;
	}
	if ((vector == 13 || vector == 12) && uaccess_fixup(regs->ip)) {
		regs->ip = uaccess_fixup(regs->ip); /* a non-canonical user pointer */
		return;
	}
	die(regs, vector, 0);
}

void trap_debug(struct pt_regs *regs, uint64_t dr6)
{
	struct task *t = current;
	bool fault;
	int code;

	if (sweep_passes_breakpoint(regs, dr6))
		return;
	if (!kaiser_user_mode(regs)) {
		/* A user's watchpoint or single step that was held off into the kernel (MOV SS). It
		 * is of no use here; TF must not go on stepping kernel code. */
		regs->flags &= ~FLAGS_TF;
		return;
	}
	code = debugreg_event(&t->debugreg, dr6, &fault);
	if (fault)
		regs->flags |= FLAGS_RF;
	if (t->ptrace.forced_tf && !t->ptrace.tracer) {
		/* The tracer that wanted this step is gone. */
		t->ptrace.forced_tf = t->ptrace.step = false;
		regs->flags &= ~FLAGS_TF;
		if (code == TRAP_TRACE)
			return;
	}
	irq_enable();
	signal_fault(SIGTRAP, code, regs->ip, regs);
	irq_disable();
}

void trap_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	const char *hole = kaiser_hole_name(&kaiser, cr2);

	if (!hole)
		hole = kaiser_hole_name(&kaiser, regs->sp - 8);
	print_regs(regs);
	if (hole)
		panic("overflow of the %s: CPU %u, task %d, sp %016lx, at %016lx", hole,
		      this_cpu()->id, current ? current->tid : 0, regs->sp, regs->ip);
	if (kstack_is_guard(cr2) || kstack_is_guard(regs->sp - 8))
		panic("kernel stack overflow: CPU %u, task %d, sp %016lx, at %016lx",
		      this_cpu()->id, current ? current->tid : 0, regs->sp, regs->ip);
	panic("double fault at %016lx, sp %016lx, cr2 %016lx", regs->ip, regs->sp, cr2);
}

void traps_init(void)
{
	nmi_panics = cmdline_has("unknown_nmi_panic");
}

void trap_nmi(struct pt_regs *regs)
{
	cpu_nmi_check();
	if (nmi_panics)
		panic("NMI at %04lx:%016lx", regs->cs, regs->ip);
	sweep_in_nmi();
	this_cpu()->nmi_count++;
	sweep_spoil_cr2(regs);
}
