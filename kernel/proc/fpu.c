/* SPDX-License-Identifier: MIT */
/*
 * x87, SSE, AVX and AVX-512 state. It is switched eagerly: what a program left in a register is
 * never there when another one runs. The kernel itself uses none of it.
 */
#include "printk.h"
#include "slab.h"
#include "task.h"

enum {
	FCW_INIT = 0x37f,
	MXCSR_INIT = 0x1f80,
	MXCSR_MASK_OF_ZERO = 0xffbf,
	XCR0_WANTED = 0xe7, /* x87, SSE, AVX; opmask, ZMM high halves, ZMM 16 to 31 */
	XCR0_AVX = 0x4,
	XCR0_AVX512 = 0xe0,
	AREA_ALIGN = 64,
};

/* An FXSAVE image and an XSAVE header. */
struct image {
	uint16_t fcw, fsw, ftw, opcode;
	uint64_t ip, dp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t registers[FXSAVE_BYTES - 32];
	uint64_t header[8];
};
_Static_assert(sizeof(struct image) == FXSAVE_BYTES + 64, "FXSAVE image and XSAVE header");

/* An XSAVE header of zero means: every component in its initial state. */
static const struct image clean
	__attribute__((__aligned__(64))) = {.fcw = FCW_INIT, .mxcsr = MXCSR_INIT};

struct fpu_format fpu_format HOT_DATA = {.bytes = FXSAVE_BYTES};

/* The boot CPU decides; the others do the same, as areas move between CPUs. */
void fpu_init_cpu(void)
{
	struct fpu_format *f = &fpu_format;
	struct image now __attribute__((__aligned__(16)));
	bool boot = this_cpu()->id == 0;
	uint32_t r[4];

	if (boot && cpu_has(CPU_XSAVE)) {
		f->xsave = true;
		cpuid(0xd, 0, r);
		f->features = r[0] & XCR0_WANTED;
		if (!(f->features & XCR0_AVX) || (f->features & XCR0_AVX512) != XCR0_AVX512)
			f->features &= ~(uint32_t)XCR0_AVX512;
	}
	if (f->xsave) {
		__asm__ volatile("xsetbv" ::"c"(0), "a"(f->features), "d"(0));
		cpuid(0xd, 0, r);
		if (boot)
			f->bytes = r[1];
		else
			kassert(r[1] == f->bytes);
	}
	__asm__ volatile("fninit; ldmxcsr %0" ::"m"(clean.mxcsr));
	if (boot) {
		memset(&now, 0, sizeof(now));
		__asm__ volatile("fxsave64 %0" : "+m"(now));
		f->mxcsr_mask = now.mxcsr_mask ? now.mxcsr_mask : MXCSR_MASK_OF_ZERO;
	}
}

/* The allocator aligns to 16; its own pointer is kept just below the area. Behind it is room for
 * what a signal frame has there: signal_fpu.c. */
void *fpu_alloc(void)
{
	char *raw = kmalloc(fpu_format.bytes + AREA_ALIGN + 2 * sizeof(void *));
	char *area;

	if (!raw)
		return NULL;
	area = (char *)ALIGN_UP((uint64_t)raw + sizeof(void *), AREA_ALIGN);
	((void **)area)[-1] = raw;
	memset(area, 0, fpu_format.bytes);
	memcpy(area, &clean, MIN(sizeof(clean), fpu_format.bytes));
	return area;
}

void fpu_free(void *area)
{
	if (area)
		kfree(((void **)area)[-1]);
}

void fpu_copy(void *to, const void *from)
{
	memcpy(to, from, fpu_format.bytes);
}

void fpu_save(struct task *t)
{
	if (fpu_format.xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(t->fpu), "a"(fpu_format.features), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(t->fpu) : "memory");
}

void fpu_load(const void *area)
{
	if (fpu_format.xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(fpu_format.features), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void fpu_reset(void)
{
	fpu_load(&clean);
}
