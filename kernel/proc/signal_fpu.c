/* SPDX-License-Identifier: MIT */
/*
 * FPU state in signal frames: the FXSAVE image, and behind it on CPUs with XSAVE the header and the
 * extended state in the standard (not compacted) format. Words 464 to 511 of the image, which the
 * CPU leaves to software, say how much follows; a magic number behind it says that all of it is
 * there, for a program may have copied or made an image of the first 512 bytes only.
 *
 * The thread's registers are live in the CPU whenever kernel code runs, so the area in memory is
 * brought up to date first. Nothing sleeps between filling that area and loading it.
 */
#include "proc.h"
#include "signal_frame.h"
#include "uaccess.h"

#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U
#define XSAVE_MIN_BYTES  576
#define OFF_MXCSR        24
#define OFF_MXCSR_MASK   28
#define OFF_XSTATE_BV    512
#define HEADER_BYTES     64
#define XFEATURES_FX     3 /* x87 and SSE */

struct fpx_sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};
_Static_assert(sizeof(struct fpx_sw_bytes) == 48, "the software words of an FXSAVE image");
_Static_assert(FPU_OFF_SW + sizeof(struct fpx_sw_bytes) == FXSAVE_BYTES, "they end the image");

uint64_t fpu_features(void)
{
	uint32_t lo, hi;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

/* The MXCSR bits this CPU has: any other makes the load fault. */
static uint32_t mxcsr_mask(void)
{
	uint8_t image[FXSAVE_BYTES] __attribute__((__aligned__(16)));
	uint32_t mask;
	memset(image, 0, sizeof(image));
	__asm__ volatile("fxsave64 %0" : "+m"(image));
	memcpy(&mask, image + OFF_MXCSR_MASK, sizeof(mask));
	return mask ? mask : 0xffbf; /* what a zero stands for */
}

static uint32_t state_bytes(void)
{
	return cpu_has(CPU_XSAVE) ? fpu_size() : FXSAVE_BYTES;
}

uint64_t signal_fpu_bytes(void)
{
	return state_bytes() + (cpu_has(CPU_XSAVE) ? sizeof(uint32_t) : 0);
}

int signal_fpu_to_user(uint64_t va)
{
	struct task *t = current;
	uint32_t bytes = state_bytes();
	struct fpx_sw_bytes sw = {0};
	fpu_save(t);
	if (cpu_has(CPU_XSAVE)) {
		uint32_t magic2 = FP_XSTATE_MAGIC2;
		sw.magic1 = FP_XSTATE_MAGIC1;
		sw.xstate_size = bytes;
		sw.extended_size = bytes + (uint32_t)sizeof(magic2);
		sw.xfeatures = fpu_features();
		if (copy_to_user(va + bytes, &magic2, sizeof(magic2)) != 0)
			return -EFAULT;
	}
	if (copy_to_user(va, t->fpu, bytes) != 0 ||
	    copy_to_user(va + FPU_OFF_SW, &sw, sizeof(sw)) != 0)
		return -EFAULT;
	return 0;
}

void signal_fpu_clear(void)
{
	fpu_reset(current);
	fpu_restore(current);
}

/* How many bytes of extended state the image at va truly has; 0: only the FXSAVE part. */
static uint32_t extended_bytes(uint64_t va, struct fpx_sw_bytes *sw)
{
	uint32_t magic2;
	if (!cpu_has(CPU_XSAVE) || copy_from_user(sw, va + FPU_OFF_SW, sizeof(*sw)) != 0)
		return 0;
	if (sw->magic1 != FP_XSTATE_MAGIC1 || sw->xstate_size < XSAVE_MIN_BYTES ||
	    sw->xstate_size > fpu_size() || sw->xstate_size > sw->extended_size)
		return 0;
	if (copy_from_user(&magic2, va + sw->xstate_size, sizeof(magic2)) != 0 ||
	    magic2 != FP_XSTATE_MAGIC2)
		return 0;
	return sw->xstate_size;
}

int signal_fpu_from_user(uint64_t va)
{
	if (va == 0) {
		signal_fpu_clear();
		return 0;
	}
	uint8_t *image = fpu_alloc();
	if (!image)
		return -ENOMEM;
	struct fpx_sw_bytes sw;
	uint32_t bytes = extended_bytes(va, &sw);
	if (copy_from_user(image, va, bytes ? bytes : FXSAVE_BYTES) != 0) {
		fpu_free(image);
		return -EFAULT;
	}

	uint32_t mxcsr;
	memcpy(&mxcsr, image + OFF_MXCSR, sizeof(mxcsr));
	mxcsr &= mxcsr_mask();
	memcpy(image + OFF_MXCSR, &mxcsr, sizeof(mxcsr));
	memset(image + FPU_OFF_SW, 0, sizeof(sw));
	if (cpu_has(CPU_XSAVE)) {
		uint64_t present = XFEATURES_FX;
		if (bytes) {
			memcpy(&present, image + OFF_XSTATE_BV, sizeof(present));
			present &= sw.xfeatures & fpu_features();
		}
		/* The rest of the header must be zero: not compacted, no reserved bits. */
		memset(image + OFF_XSTATE_BV, 0, HEADER_BYTES);
		memcpy(image + OFF_XSTATE_BV, &present, sizeof(present));
	}
	fpu_copy(current->fpu, image);
	fpu_restore(current);
	fpu_free(image);
	return 0;
}

/* ---- for ptrace --------------------------------------------------------------------------- */

int fpu_image_set(struct task *t, uint64_t va, unsigned bytes)
{
	uint8_t *image = fpu_alloc();
	uint64_t header[HEADER_BYTES / 8];
	uint32_t mxcsr;
	int err = -EFAULT;

	if (!image)
		return -ENOMEM;
	fpu_copy(image, t->fpu);
	memcpy(header, image + OFF_XSTATE_BV, cpu_has(CPU_XSAVE) ? sizeof(header) : 0);
	if (copy_from_user(image, va, bytes) != 0)
		goto out;
	err = -EINVAL;
	memcpy(&mxcsr, image + OFF_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~mxcsr_mask())
		goto out;
	memset(image + FPU_OFF_SW, 0, sizeof(struct fpx_sw_bytes));
	if (cpu_has(CPU_XSAVE)) {
		if (bytes > FXSAVE_BYTES) {
			memcpy(header, image + OFF_XSTATE_BV, sizeof(header));
			if (header[0] & ~fpu_features())
				goto out;
			for (unsigned i = 1; i < HEADER_BYTES / 8; i++)
				if (header[i])
					goto out;
		} else {
			header[0] |= XFEATURES_FX;
		}
		memcpy(image + OFF_XSTATE_BV, header, sizeof(header));
	}
	fpu_copy(t->fpu, image);
	err = 0;
out:
	fpu_free(image);
	return err;
}
