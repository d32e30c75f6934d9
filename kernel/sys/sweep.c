/* SPDX-License-Identifier: MIT */
/*
 * Switches for sweeps of the entry code (docs/storm.md), from the command line, off otherwise. Each
 * makes possible what the kernel refuses or does not survive, so none is for use.
 */
#include "boot.h"
#include "cpu.h"
#include "port.h"
#include "sweep.h"

#define FLAG_RF    BIT(16)
#define DR7_G0     BIT(1)
#define DR7_ALWAYS BIT(10)
#define PR_SWEEP   0x6b616973

uint64_t sweep_nmis, sweep_machine_checks;

static bool nmi_iret, mce_continue, frames, breakpoints;

void sweep_init(void)
{
	nmi_iret = cmdline_has("debug_nmi_iret");
	mce_continue = cmdline_has("debug_mce_continue");
	frames = cmdline_has("debug_frames");
	breakpoints = cmdline_has("debug_breakpoints");
}

/* An IRET to the next instruction: ends the blocking of NMIs, as a fault in the handler would. */
void sweep_in_nmi(void)
{
	uint64_t scratch;

	__atomic_fetch_add(&sweep_nmis, 1, __ATOMIC_RELAXED);
	if (!nmi_iret)
		return;
	__asm__ volatile("movq %%rsp, %0\n\t"
			 "pushq %1\n\t"
			 "pushq %0\n\t"
			 "pushfq\n\t"
			 "pushq %2\n\t"
			 "leaq 1f(%%rip), %0\n\t"
			 "pushq %0\n\t"
			 "iretq\n"
			 "1:"
			 : "=&r"(scratch)
			 : "i"(KAISER_KERNEL_DS), "i"(KAISER_KERNEL_CS)
			 : "memory", "cc");
}

void sweep_in_mce(void)
{
	__atomic_fetch_add(&sweep_machine_checks, 1, __ATOMIC_RELAXED);
}

/* As a page fault in the handler would. User mode's is nobody's: the next fault sets it. */
void sweep_spoil_cr2(const struct pt_regs *regs)
{
	if ((nmi_iret || mce_continue || breakpoints) && !kaiser_user_mode(regs))
		__asm__ volatile("movq %0, %%cr2" ::"r"(UINT64_C(0x5ee95ee95ee9)));
}

bool sweep_survives_mce(void)
{
	return mce_continue;
}

bool sweep_trusts_frames(void)
{
	return frames;
}

bool sweep_breakpoint(int option, uint64_t addr)
{
	uint64_t dr7 = addr ? DR7_ALWAYS | DR7_G0 : DR7_ALWAYS;

	if (!breakpoints || option != PR_SWEEP)
		return false;
	__asm__ volatile("movq %0, %%dr7" ::"r"((uint64_t)DR7_ALWAYS));
	__asm__ volatile("movq %0, %%dr0" ::"r"(addr));
	__asm__ volatile("movq %0, %%dr7" ::"r"(dr7));
	return true;
}

bool sweep_passes_breakpoint(struct pt_regs *regs, uint64_t dr6)
{
	if (!breakpoints || !(dr6 & BIT(0)))
		return false;
	regs->flags |= FLAG_RF; /* or the same instruction would break again */
	sweep_spoil_cr2(regs);
	return true;
}
