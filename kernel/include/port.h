/* SPDX-License-Identifier: MIT */
/* The port: this kernel's side of libkaiser. All of it is in port/kaiser_port.c. */
#ifndef KERNEL_PORT_H
#define KERNEL_PORT_H

#include <kaiser/kaiser.h>

#include "base.h"

struct boot_info;

extern struct kaiser kaiser;

/* Builds the window and makes the boot CPU's gates live. Page tables and pages work already. */
void port_init(const struct boot_info *bi);
/* On another CPU, prepared by cpu_prepare(): makes its gates live. */
void port_enter_cpu(unsigned id, uint64_t kstack_top);
/* Runs the check table, prints what it finds, and stops the kernel if that is an error. */
void port_verify(void);
/* The same after each exec in debug builds, silent unless something is wrong. Task context. */
void port_verify_exec(void);
/* /proc/kaiser. */
void port_procfs_init(void);

/* port/isolation.c: isolation on and off at run time. Task context, may sleep. */
struct mm;
/* /proc/sys/kernel/kaiser. */
void port_isolation_init(void);
/* Holds changes off: for kaiser_verify(). */
void port_isolation_lock(void);
void port_isolation_unlock(void);
/* For one space: kaiser_space_isolate(). */
void port_isolate(struct kaiser_space *s, bool isolate);
/* What a new space inherits: by fork all, by exec what the superuser's has. */
void port_isolation_fork(struct mm *child, const struct mm *parent);
void port_isolation_exec(struct mm *fresh);
/* prctl of the calling process: 0, -EINVAL, -EPERM. */
long port_prctl_isolate(uint64_t on);
/* "isolated", "opted out", or "off" for the machine. */
const char *port_isolation_word(const struct mm *mm);

/* sys/traps.c: what the gates lead to. Interrupts off. */
void trap_exception(struct pt_regs *regs, unsigned vector);
void trap_debug(struct pt_regs *regs, uint64_t dr6);
void trap_machine_check(struct pt_regs *regs); /* sys/machine_check.c */
noreturn void trap_double_fault(struct pt_regs *regs, uint64_t cr2);
/* With "unknown_nmi_panic", Linux's word, an NMI that nobody here sent is a panic: what a hung
 * machine does can then be asked for from outside. */
void trap_nmi(struct pt_regs *regs);
void traps_init(void);

#endif
