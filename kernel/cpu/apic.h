/* SPDX-License-Identifier: MIT */
/* What the files of kernel/cpu/ share among themselves. */
#ifndef KERNEL_CPU_APIC_H
#define KERNEL_CPU_APIC_H

#include "cpu.h"

#define MSR_APIC_BASE 0x1b
#define MSR_EFER      0xc0000080

/* lapic.c */
uint32_t lapic_id(void); /* of this CPU */
void lapic_eoi(void);
/* One interrupt command: low is its lower half. Waits until it has been sent. */
void lapic_icr(uint32_t apic_id, uint32_t low);
enum {
	ICR_FIXED = 0,
	ICR_NMI = 4 << 8,
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_ASSERT = 1 << 14,
};
/* The timer counts down from `count`; vector 0 masks it. */
void lapic_timer_set(uint32_t count, unsigned vector, bool periodic);
uint32_t lapic_timer_count(void);
bool lapic_reaches(uint32_t apic_id); /* such a number fits the mode */

/* irq.c */
void pic_disable(void); /* the two legacy controllers */

/* serial.c: input without an interrupt line. */
void serial_tick(struct pt_regs *regs);

/* timer.c */
void delay_us(unsigned us); /* busy; after timer_init() */
void timer_irq(struct pt_regs *regs);

/* clocksource.c: measures the TSC against a clock of known frequency, 0 if there is none. */
uint64_t tsc_measure_hz(const char **clock);
uint64_t lapic_measure_hz(uint64_t tsc_hz); /* 0 if it does not count */
/* rtc.c: seconds since the epoch, or 0 with one line in the log. */
uint64_t rtc_read(void);

/* ipi.c */
extern uint64_t cpus_online; /* CPUs that take interrupts; atomic */
extern uint32_t cpu_apic_id[MAX_CPUS];
unsigned cpu_self(void); /* this CPU's number, by its APIC; before this_cpu() works too */
/* True if CPU `cpu` takes an interrupt within `us` microseconds. Boot time only. */
bool cpu_probe(unsigned cpu, unsigned us);
void call_irq(struct pt_regs *regs);
void stop_irq(struct pt_regs *regs);
void resched_irq(struct pt_regs *regs);

#endif
