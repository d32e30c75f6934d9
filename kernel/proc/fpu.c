/* SPDX-License-Identifier: MIT */
/*
 * x87, SSE, AVX and AVX-512 state. It is switched eagerly: what a program left in a register is
 * never there when another one runs. The kernel itself uses none of it.
 */
#include "printk.h"
#include "slab.h"
#include "task.h"

enum {
	FCW_OFFSET = 0,
	MXCSR_OFFSET = 24,
	FCW_INIT = 0x37f,
	MXCSR_INIT = 0x1f80,
	XCR0_WANTED = 0xe7, /* x87, SSE, AVX; opmask, ZMM high halves, ZMM 16 to 31 */
	XCR0_AVX = 0x4,
	XCR0_AVX512 = 0xe0,
	AREA_ALIGN = 64,
};

static bool use_xsave;
static uint32_t xcr0;
static unsigned area_bytes = FXSAVE_BYTES;

/* The boot CPU decides; the others do the same, as areas move between CPUs. */
void fpu_init_cpu(void)
{
	uint32_t r[4];
	uint32_t mxcsr = MXCSR_INIT;

	if (this_cpu()->id == 0 && cpu_has(CPU_XSAVE)) {
		use_xsave = true;
		cpuid(0xd, 0, r);
		xcr0 = r[0] & XCR0_WANTED;
		if (!(xcr0 & XCR0_AVX) || (xcr0 & XCR0_AVX512) != XCR0_AVX512)
			xcr0 &= ~(uint32_t)XCR0_AVX512;
	}
	if (use_xsave) {
		__asm__ volatile("xsetbv" ::"c"(0), "a"(xcr0), "d"(0));
		cpuid(0xd, 0, r);
		if (this_cpu()->id == 0)
			area_bytes = r[1];
		else
			kassert(r[1] == area_bytes);
	}
	__asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

unsigned fpu_size(void)
{
	return area_bytes;
}

static void fpu_clean(void *area)
{
	uint16_t fcw = FCW_INIT;
	uint32_t mxcsr = MXCSR_INIT;

	/* An XSAVE header of zero means: every component in its initial state. */
	memset(area, 0, area_bytes);
	memcpy((char *)area + FCW_OFFSET, &fcw, sizeof(fcw));
	memcpy((char *)area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

/* The allocator aligns to 16; its own pointer is kept just below the area. */
void *fpu_alloc(void)
{
	char *raw = kmalloc(area_bytes + AREA_ALIGN + sizeof(void *));
	char *area;

	if (!raw)
		return NULL;
	area = (char *)ALIGN_UP((uint64_t)raw + sizeof(void *), AREA_ALIGN);
	((void **)area)[-1] = raw;
	fpu_clean(area);
	return area;
}

void fpu_free(void *area)
{
	if (area)
		kfree(((void **)area)[-1]);
}

void fpu_copy(void *to, const void *from)
{
	memcpy(to, from, area_bytes);
}

void fpu_save(struct task *t)
{
	if (use_xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(t->fpu), "a"(xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(t->fpu) : "memory");
}

void fpu_restore(struct task *t)
{
	if (use_xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(t->fpu), "a"(xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(t->fpu) : "memory");
}

void fpu_reset(struct task *t)
{
	uint64_t irq = irq_save();

	fpu_clean(t->fpu);
	fpu_restore(t);
	irq_restore(irq);
}
