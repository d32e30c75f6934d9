/* SPDX-License-Identifier: MIT */
/* The privileged instructions the library's C uses. Unit tests build with KAISER_FAKE_HW and bring
 * their own, so that the rest runs on a build host. */
#ifndef KAISER_HW_H
#define KAISER_HW_H

#include <stdint.h>

#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_FMASK          0xc0000084
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define EFER_SCE           (1u << 0)
#define EFER_NXE           (1u << 11)
#define CR4_PGE            (1u << 7)
#define CR4_LA57           (1u << 12)
#define CR4_PCIDE          (1u << 17)

/* INVPCID: SDM volume 2. */
#define INVPCID_ADDRESS 0 /* one address under one PCID, not what is global */
#define INVPCID_ALL     2 /* everything under every PCID, global or not */

struct hw_table_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((__packed__));

#ifdef KAISER_FAKE_HW

uint64_t hw_rdmsr(uint32_t msr);
void hw_wrmsr(uint32_t msr, uint64_t v);
uint64_t hw_read_cr3(void);
void hw_write_cr3(uint64_t v);
uint64_t hw_read_cr4(void);
void hw_write_cr4(uint64_t v);
void hw_invlpg(uint64_t va);
void hw_invpcid(unsigned type, uint64_t pcid, uint64_t va);
uint64_t hw_read_cr2(void);
uint16_t hw_read_cs(void);
uint64_t hw_irq_save(void);
void hw_irq_restore(uint64_t flags);
uint64_t hw_swap_dr7(uint64_t v);
uint64_t hw_take_dr6(void);
struct kaiser_cpu;
struct kaiser_cpu *hw_this_cpu(void);
void hw_load_tables(const struct hw_table_ptr *writable_gdt, const struct hw_table_ptr *gdt);
void hw_load_idt(const struct hw_table_ptr *idt);
void hw_load_ldt(uint16_t selector);
void hw_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]);

#else

#include <kaiser/layout.h>

static inline uint64_t hw_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void hw_wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t hw_read_cr3(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr3, %0" : "=r"(v)::"memory");
	return v;
}

static inline void hw_write_cr3(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr3" ::"r"(v) : "memory");
}

static inline uint64_t hw_read_cr4(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr4, %0" : "=r"(v));
	return v;
}

static inline void hw_write_cr4(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr4" ::"r"(v) : "memory");
}

static inline uint64_t hw_read_cr2(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr2, %0" : "=r"(v)::"memory");
	return v;
}

static inline uint16_t hw_read_cs(void)
{
	uint16_t v;
	__asm__("movw %%cs, %0" : "=r"(v));
	return v;
}

static inline void hw_invlpg(uint64_t va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Only where policy.invpcid says so, and with CR4.PCIDE set. va: canonical, or #GP. */
static inline void hw_invpcid(unsigned type, uint64_t pcid, uint64_t va)
{
	const struct {
		uint64_t pcid, va;
	} descriptor = {pcid, va};
	__asm__ volatile("invpcid %0, %1" ::"m"(descriptor), "r"((uint64_t)type) : "memory");
}

static inline uint64_t hw_irq_save(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0; cli" : "=rm"(flags)::"memory");
	return flags;
}

static inline void hw_irq_restore(uint64_t flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" ::: "memory");
}

/* Sets DR7 and returns what it was. */
static inline uint64_t hw_swap_dr7(uint64_t v)
{
	uint64_t old;
	__asm__ volatile("movq %%dr7, %0" : "=r"(old));
	__asm__ volatile("movq %0, %%dr7" ::"r"(v) : "memory");
	return old;
}

/* Reads DR6 and puts its reset value back, so that the next #DB's causes stand alone. */
static inline uint64_t hw_take_dr6(void)
{
	uint64_t old;
	__asm__ volatile("movq %%dr6, %0" : "=r"(old));
	__asm__ volatile("movq %0, %%dr6" ::"r"((uint64_t)0xffff0ff0));
	return old;
}

struct kaiser_cpu;
static inline struct kaiser_cpu *hw_this_cpu(void)
{
	struct kaiser_cpu *c;
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(c) : "i"(KAISER_GS_PRIVATE + KAISER_PRIV_SELF));
	return c;
}

/* GDT, TSS and segment registers. LTR marks the TSS busy in the GDT, so that happens through the
 * writable alias; then the read-only GDT of the window takes its place. */
static inline void hw_load_tables(const struct hw_table_ptr *writable_gdt,
				  const struct hw_table_ptr *gdt)
{
	uint64_t scratch;
	__asm__ volatile("lgdt %1\n\t"
			 "ltr %w3\n\t"
			 "lgdt %2\n\t"
			 "xorl %k0, %k0\n\t"
			 "lldt %w0\n\t"
			 "movl %k0, %%ds\n\t"
			 "movl %k0, %%es\n\t"
			 "movl %k0, %%fs\n\t"
			 "movl %k0, %%gs\n\t"
			 "movl %5, %k0\n\t"
			 "movl %k0, %%ss\n\t"
			 "pushq %4\n\t"
			 "leaq 1f(%%rip), %0\n\t"
			 "pushq %0\n\t"
			 "lretq\n"
			 "1:"
			 : "=&r"(scratch)
			 : "m"(*writable_gdt), "m"(*gdt), "r"(KAISER_TSS_SEL),
			   "i"(KAISER_KERNEL_CS), "i"(KAISER_KERNEL_DS)
			 : "memory");
}

static inline void hw_load_idt(const struct hw_table_ptr *idt)
{
	__asm__ volatile("lidt %0" ::"m"(*idt) : "memory");
}

static inline void hw_load_ldt(uint16_t selector)
{
	__asm__ volatile("lldt %0" ::"r"(selector) : "memory");
}

static inline void hw_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

#endif
#endif
