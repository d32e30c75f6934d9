/* SPDX-License-Identifier: MIT */
/* Switches for sweeps of the entry code: see sys/sweep.c. */
#ifndef KERNEL_SWEEP_H
#define KERNEL_SWEEP_H

#include "base.h"

struct pt_regs;

void sweep_init(void);

/* How often the two handlers ran: what kaiser storm holds against the events it gave. */
extern uint64_t sweep_nmis, sweep_machine_checks;

/* Of every NMI. "debug_nmi_iret": it makes nesting possible. */
void sweep_in_nmi(void);
/* Of every #MC. */
void sweep_in_mce(void);
/* "debug_mce_continue": as if every #MC could be recovered from. */
bool sweep_survives_mce(void);
/* Any of the switches for events: the handlers of NMI, #MC and #DB leave another CR2 to the kernel
 * that they hit, which the library has to put back. */
void sweep_spoil_cr2(const struct pt_regs *regs);
/* "debug_frames": sigreturn takes a non-canonical RIP, so that the exit's IRET can fault at it. */
bool sweep_trusts_frames(void);
/* "debug_breakpoints": prctl(0x6b616973, address) breaks at any instruction, the entry code's too;
 * 0 ends that. True if it was that call. */
bool sweep_breakpoint(int option, uint64_t addr);
bool sweep_passes_breakpoint(struct pt_regs *regs, uint64_t dr6);

#endif
