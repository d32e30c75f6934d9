/* SPDX-License-Identifier: MIT */
/*
 * Machine checks (SDM volume 3, chapter 15).
 *
 * One is survived if all of this holds: user mode was interrupted, RIP is valid (MCG_STATUS.RIPV),
 * no bank says that the processor's context is corrupt (PCC) or that an earlier error was lost
 * (OVER), and each uncorrected error names an address in memory that the running process maps. Then
 * it is that process's memory that is gone: it gets SIGBUS at the address, which it cannot hold
 * back, and the page is never used again. Errors that the hardware corrected are told of and change
 * nothing. Everything else stops the machine and names the bank: what the kernel itself relies on
 * may be wrong.
 *
 * MCIP, the bit that makes the CPU shut down at a second machine check, is cleared here only for
 * user mode, where nothing on the event's own stack is needed any more. For kernel mode the library
 * clears it at the return (kaiser/entry/paranoid.inc).
 */
#include "boot.h"
#include "cpu.h"
#include "page.h"
#include "port.h"
#include "printk.h"
#include "signal.h"
#include "sweep.h"
#include "task.h"

#define MSR_MCG_CAP    0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MC_STATUS  0x401 /* of bank 0; 4 MSRs a bank */
#define MSR_MC_ADDR    0x402
#define MCG_RIPV       BIT(0)
#define MC_VAL         BIT(63)
#define MC_OVER        BIT(62)
#define MC_UC          BIT(61) /* not corrected */
#define MC_ADDRV       BIT(58)
#define MC_PCC         BIT(57) /* processor context corrupt */

struct bank_error {
	unsigned bank;
	uint64_t status, addr;
};

/* Reads a bank and clears it. False: nothing there. */
static bool take_bank(unsigned bank, struct bank_error *e)
{
	e->bank = bank;
	e->status = rdmsr(MSR_MC_STATUS + 4 * bank);
	if (!(e->status & MC_VAL))
		return false;
	e->addr = e->status & MC_ADDRV ? rdmsr(MSR_MC_ADDR + 4 * bank) : 0;
	wrmsr(MSR_MC_STATUS + 4 * bank, 0);
	return true;
}

/* The process loses the page at that physical address: true if it has it. Interrupts on. */
static bool lose_page(struct pt_regs *regs, uint64_t pa)
{
	uint64_t va;

	if (!current->mm || !mm_lose_page(current->mm, pa, &va))
		return false;
	printk("machine check: process %d (%s) loses its page at %lx\n", current->proc->pid,
	       current->proc->name, ALIGN_DOWN(va, PAGE_SIZE));
	signal_fault(SIGBUS, BUS_MCEERR_AR, va, regs);
	return true;
}

void trap_machine_check(struct pt_regs *regs)
{
	unsigned banks = rdmsr(MSR_MCG_CAP) & 0xff;
	uint64_t mcg = rdmsr(MSR_MCG_STATUS);
	bool fatal = !(mcg & MCG_RIPV) || !kaiser_user_mode(regs);
	struct bank_error e, worst = {.status = 0};
	unsigned uncorrected = 0;

	sweep_in_mce();
	for (unsigned i = 0; i < banks; i++) {
		if (!take_bank(i, &e) || sweep_survives_mce())
			continue;
		printk("machine check: bank %u status %016lx address %lx%s\n", e.bank, e.status,
		       e.addr, e.status & MC_UC ? "" : ", corrected");
		fatal |= (e.status & MC_PCC) || (e.status & MC_OVER && e.status & MC_UC);
		if (!(e.status & MC_UC))
			continue;
		fatal |= !(e.status & MC_ADDRV) || ++uncorrected > 1;
		if (!worst.status || e.status & MC_PCC)
			worst = e;
	}
	if (sweep_survives_mce()) {
		if (kaiser_user_mode(regs))
			wrmsr(MSR_MCG_STATUS, 0);
		sweep_spoil_cr2(regs);
		return;
	}
	if (fatal)
		panic("machine check at %04lx:%016lx, MCG status %lx, bank %u status %016lx",
		      regs->cs, regs->ip, mcg, worst.bank, worst.status);
	wrmsr(MSR_MCG_STATUS, 0);
	if (!uncorrected)
		return;
	irq_enable();
	if (!lose_page(regs, worst.addr))
		panic("machine check in memory that is no process's: %lx, bank %u status %016lx",
		      worst.addr, worst.bank, worst.status);
	irq_disable();
}
