/* SPDX-License-Identifier: MIT */
/*
 * FPU state in signal frames: the FXSAVE image, and behind it on CPUs with XSAVE the header and the
 * extended state in the standard (not compacted) format. Words 464 to 511 of the image, which the
 * CPU leaves to software, say how much follows; a magic number behind it says that all of it is
 * there, for a program may have copied or made an image of the first 512 bytes only.
 *
 * The thread's registers are live in the CPU whenever kernel code runs: the area in memory is
 * brought up to date before it is read, and what is to be loaded is loaded from an image of its
 * own, since reading user memory may sleep, which saves the registers to the area.
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

enum { STACK_IMAGE = 1088 }; /* up to here (AVX) an image fits on the kernel stack */

uint64_t signal_fpu_bytes(void)
{
	return fpu_format.bytes + (fpu_format.xsave ? sizeof(uint32_t) : 0);
}

int signal_fpu_to_user(uint64_t va)
{
	struct task *t = current;
	uint8_t *area = t->fpu;
	uint32_t bytes = fpu_format.bytes;
	struct fpx_sw_bytes *sw = (void *)(area + FPU_OFF_SW);
	uint32_t *magic2 = (void *)(area + bytes);
	fpu_save(t);
	if (!fpu_format.xsave)
		return copy_to_user(va, area, bytes);
	sw->magic1 = FP_XSTATE_MAGIC1;
	sw->xstate_size = bytes;
	sw->extended_size = bytes + (uint32_t)sizeof(*magic2);
	sw->xfeatures = fpu_format.features;
	*magic2 = FP_XSTATE_MAGIC2;
	/* Should this sleep, these words stay: the CPU writes none of them. */
	int err = copy_to_user(va, area, bytes + sizeof(*magic2));
	sw->magic1 = sw->xstate_size = sw->extended_size = 0;
	sw->xfeatures = 0;
	return err;
}

/* The bytes of extended state that an image says it has; 0: none, or more than there can be. */
static uint32_t extended_bytes(const uint8_t *image)
{
	const struct fpx_sw_bytes *sw = (const void *)(image + FPU_OFF_SW);
	bool sound = sw->magic1 == FP_XSTATE_MAGIC1 && sw->xstate_size >= XSAVE_MIN_BYTES &&
		     sw->xstate_size <= fpu_format.bytes && sw->xstate_size <= sw->extended_size;
	return sound ? sw->xstate_size : 0;
}

/* Reads what lies at va: how many bytes of extended state are in `image` then, 0: only the FXSAVE
 * part is, or -EFAULT. image has room for fpu_format.bytes and the magic number. */
static long image_from_user(uint8_t *image, uint64_t va)
{
	uint32_t n, magic2, size = fpu_format.bytes + (uint32_t)sizeof(magic2);
	if (!fpu_format.xsave)
		return copy_from_user(image, va, FXSAVE_BYTES);
	if (copy_from_user(image, va, size) != 0) {
		/* A program's own, shorter one? What it does not fill must be no stack's rest. */
		memset(image, 0, size);
		if (copy_from_user(image, va, FXSAVE_BYTES) != 0)
			return -EFAULT;
		n = extended_bytes(image);
		size = n + (uint32_t)sizeof(magic2);
		if (n == 0 || copy_from_user(image, va, size) != 0)
			return 0;
	}
	n = extended_bytes(image);
	if (n == 0 || n + sizeof(magic2) > size)
		return 0;
	memcpy(&magic2, image + n, sizeof(magic2));
	return magic2 == FP_XSTATE_MAGIC2 ? (long)n : 0;
}

/* Takes out of an image all that would make its load fault. bytes: as image_from_user() says. */
static void image_clean(uint8_t *image, long bytes)
{
	const struct fpx_sw_bytes *sw = (const void *)(image + FPU_OFF_SW);
	uint64_t *header = (uint64_t *)(image + OFF_XSTATE_BV);
	*(uint32_t *)(image + OFF_MXCSR) &= fpu_format.mxcsr_mask;
	if (!fpu_format.xsave)
		return;
	uint64_t present = header[0] & sw->xfeatures & fpu_format.features;
	/* The rest of the header must be zero: not compacted, no reserved bits. */
	memset(header, 0, HEADER_BYTES);
	header[0] = bytes ? present : XFEATURES_FX;
}

int signal_fpu_from_user(uint64_t va)
{
	uint8_t on_stack[STACK_IMAGE + 64] __attribute__((__aligned__(64)));
	bool fits = fpu_format.bytes <= STACK_IMAGE;
	if (va == 0) {
		fpu_reset();
		return 0;
	}
	uint8_t *image = fits ? on_stack : fpu_alloc();
	if (!image)
		return -ENOMEM;
	long bytes = image_from_user(image, va);
	if (bytes >= 0) {
		image_clean(image, bytes);
		fpu_load(image);
	}
	if (!fits)
		fpu_free(image);
	return bytes < 0 ? -EFAULT : 0;
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
	memcpy(header, image + OFF_XSTATE_BV, fpu_format.xsave ? sizeof(header) : 0);
	if (copy_from_user(image, va, bytes) != 0)
		goto out;
	err = -EINVAL;
	memcpy(&mxcsr, image + OFF_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~fpu_format.mxcsr_mask)
		goto out;
	memset(image + FPU_OFF_SW, 0, sizeof(struct fpx_sw_bytes));
	if (fpu_format.xsave) {
		if (bytes > FXSAVE_BYTES) {
			memcpy(header, image + OFF_XSTATE_BV, sizeof(header));
			if (header[0] & ~fpu_format.features)
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
