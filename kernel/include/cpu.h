/* SPDX-License-Identifier: MIT */
/* CPUs: features, per-CPU data, control registers, interrupts, IPIs. */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include <kaiser/layout.h>

#include "base.h"
#include "host_word.h"
#include "spinlock.h"

#define MAX_CPUS 64

struct task;

/* The host's per-CPU data. It lies behind libkaiser's private pages, found from GS: this_cpu() is
 * valid from kaiser_cpu_init() on (port/kaiser_port.c), percpu_ready says so for the boot CPU. */
struct cpu {
	struct cpu *self;
	struct task *current; /* ORDER: current stays at offset 8, idle at 16 */
	struct task *idle;
	unsigned id; /* 0 is the boot CPU; dense */
	uint32_t apic_id;
	volatile bool need_resched;
	volatile uint64_t ticks; /* timer interrupts taken */
	uint64_t nmi_count;
	void *sched;      /* proc/sched.c's run queue */
	bool tls_loaded;  /* the GDT has TLS entries: ia32.h */
	void *page_cache; /* mm/page.c's free pages of this CPU */
	/* Ticks that met user mode (nice: of processes with a positive nice value) and the kernel;
	 * the rest of `ticks` was idle. Interrupts taken. Written by their own CPU only. */
	uint64_t user_ticks, nice_ticks, system_ticks, interrupts;
};

extern bool percpu_ready;
extern unsigned ncpus; /* CPUs that are up; 1 until smp_init() */
extern struct cpu *cpus[MAX_CPUS];

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;
	/* volatile: after a sleep it may be another CPU. */
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(c) : "i"(KAISER_GS_HOST));
	return c;
}

/* In the same word: the running task's system calls are traced (task.syscall_work). sys/entry.S. */
#define CALL_TRACED 2

/*
 * This CPU's next exit to user mode has something to look at: need_resched, a signal, a mask that
 * is to be put back. One word, in a line that every exit reads anyway, so that nothing else is read
 * if there is nothing. Whoever makes work for a task that runs on another CPU sends that CPU an
 * interrupt, which sets it; whoever is switched to finds it set. Too often does no harm.
 */
static inline void exit_work_set(void)
{
	__asm__ volatile("orl $1, %%gs:%c0" ::"i"(HOST_WORD_EXIT) : "memory");
}

static inline void exit_work_clear(void)
{
	__asm__ volatile("andl $%c1, %%gs:%c0" ::"i"(HOST_WORD_EXIT), "i"(CALL_TRACED) : "memory");
}

/* At a switch: the next task may have work, and its system calls go the long way or not. */
static inline void exit_work_switch(bool traced)
{
	uint32_t v = traced ? CALL_TRACED | 1 : 1;

	__asm__ volatile("movl %0, %%gs:%c1" ::"r"(v), "i"(HOST_WORD_EXIT) : "memory");
}

/* Of the two only the first. */
static inline bool exit_work_due(void)
{
	bool set;
	__asm__ volatile("testl $1, %%gs:%c1" : "=@ccnz"(set) : "i"(HOST_WORD_EXIT) : "memory");
	return set;
}

static inline bool exit_work_is_set(void)
{
	uint32_t v;
	__asm__ volatile("movl %%gs:%c1, %0" : "=r"(v) : "i"(HOST_WORD_EXIT) : "memory");
	return v != 0;
}

/* Once this CPU has its page. */
static inline void user_access_init(bool smap)
{
	__asm__ volatile("movb %0, %%gs:%c1" ::"q"((uint8_t)smap), "i"(HOST_WORD_SMAP) : "memory");
}

enum cpu_feature {
	CPU_NX,
	CPU_SMEP,
	CPU_SMAP,
	CPU_UMIP,
	CPU_FSGSBASE,
	CPU_XSAVE,
	CPU_X2APIC,
	CPU_PGE,
	CPU_PAGE1G,
	CPU_RDRAND,
	CPU_RDSEED,
	CPU_TSC_DEADLINE,
	CPU_INVARIANT_TSC,
	CPU_LA57,
	CPU_FEATURES,
};
bool cpu_has(enum cpu_feature f);
/* Sets CR0, CR4 and EFER bits for what this CPU has: once on each CPU. */
void cpu_features_init(void);
extern char cpu_vendor[13];

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline bool irqs_enabled(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0" : "=rm"(flags)::"memory");
	return flags & 0x200;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* Vectors. Exceptions are 0..31. */
enum {
	VEC_TIMER = 0x20,
	VEC_SERIAL = 0x21,
	VEC_RESCHED = 0xf0,
	VEC_CALL = 0xf1,
	VEC_STOP = 0xf2,
	VEC_SPURIOUS = 0xff,
};

/* A handler runs with interrupts off, on the interrupted task's kernel stack. These have theirs
 * from the start: VEC_TIMER (counts ticks, sched_tick()), VEC_RESCHED (sets need_resched),
 * VEC_CALL, VEC_STOP. */
struct pt_regs;
typedef void irq_handler(struct pt_regs *regs);
void irq_register(unsigned vector, irq_handler *fn);
/* From the port's kaiser_on_interrupt(): runs the handler of `vector` and does the EOI. */
void irq_dispatch(struct pt_regs *regs, unsigned vector);

/* Interrupt controllers and timers (cpu/): */
void acpi_init(uint64_t rsdp);
void lapic_init(void); /* on each CPU */
void ioapic_init(void);
int ioapic_route_isa(unsigned isa_irq, unsigned vector); /* to the boot CPU; 0 or -ENODEV */
void timer_init(void);  /* calibrates TSC and LAPIC timer; boot CPU */
void timer_start(void); /* periodic tick of HZ on this CPU */
#define HZ 250
uint64_t clock_ns(void);           /* monotonic nanoseconds since boot; any context */
uint64_t realtime_offset_ns(void); /* CMOS clock at boot, ns since the epoch */

/* Starts the other CPUs ACPI names (at most MAX_CPUS, and `maxcpus=N`). For each: cpu_prepare(), a
 * stack, INIT-SIPI-SIPI; it arrives in long mode, on tables that map the kernel half, interrupts
 * off, does cpu_features_init() and lapic_init() and calls cpu_main(). It counts in ncpus once it
 * has taken an interrupt, so cpu_main() turns them on when all is ready. */
void smp_init(void);
/* main.c and the port: allocates CPU `id`'s window part and struct cpu; 0 or -ENOMEM. */
int cpu_prepare(unsigned id, uint32_t apic_id);
noreturn void cpu_main(unsigned id);
void ipi_send(unsigned cpu, unsigned vector);
void ipi_nmi(unsigned cpu);
void ipi_nmi_all_but_self(void);
/* Runs fn(arg) on every CPU in mask (bit = id; this one too if set) and waits for all of them.
 * Interrupts on, no spin lock held, unless only this CPU is meant; fn runs with interrupts off. */
void cpu_call(uint64_t mask, void (*fn)(void *arg), void *arg);
void cpu_stop_others(void); /* by NMI-proof IPI; for panic and power-off; irqs off after it */
void cpu_nmi_check(void);   /* NMI handlers call it first: stops here if that was asked for */
/* The stack that smp_init() gave CPU `id`, KSTACK_PAGES of task.h, lowest byte; NULL for CPU 0. */
void *cpu_boot_stack(unsigned id);

noreturn void machine_poweroff(void);
noreturn void machine_reboot(void);

/* Early serial console; also the tty's line (port 0x3f8). */
void serial_init(void);
void serial_putc(char c);
void serial_drain(void);   /* waits, not for ever, until all output has left */
bool serial_getc(char *c); /* false when nothing is waiting */
void serial_irq_enable(irq_handler *fn);

#endif
