/* SPDX-License-Identifier: MIT */
/* The check table on tables and registers that are noise: it ends, within a number of reads. */
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#define PAGES     24
#define READS_MAX 20000000ul

struct input {
	uint64_t known, cr3, kernel_root, kernel_cr3, cr4, efer, idt, gdt, tr, lstar, cstar, eip;
	uint64_t window, allowed[4], image, direct, enc_mask;
	uint32_t idt_limit, gdt_limit, tr_limit, bits;
};

static struct {
	unsigned long reads;
	uint8_t page[PAGES][4096];
} memory;

static int read_memory(void *ctx, uint64_t pa, void *buf, size_t n)
{
	(void)ctx;
	if (++memory.reads > READS_MAX)
		abort();
	if ((pa & 4095) + n > 4096)
		abort();
	if (pa / 4096 >= PAGES)
		return -1;
	memcpy(buf, memory.page[pa / 4096] + pa % 4096, n);
	return 0;
}

static bool odd(void *ctx, uint64_t v)
{
	(void)ctx;
	return v & 0x1000;
}

static void finding(void *ctx, const struct kaiser_finding *f)
{
	char text[256];

	(void)ctx;
	if (kaiser_finding_text(f, text, sizeof(text)) != strlen(text) ||
	    (unsigned)f->severity > KAISER_ERROR)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kaiser_sink sink = {NULL, finding};
	struct kaiser_boot boot[2] = {{0}};
	struct input in = {0};
	struct kaiser_allowed allowed[2];
	struct kaiser_totals t;

	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	memset(&memory, 0, sizeof(memory));
	if (size > sizeof(in)) {
		size -= sizeof(in);
		memcpy(memory.page, data + sizeof(in),
		       size < sizeof(memory.page) ? size : sizeof(memory.page));
	}
	for (unsigned i = 0; i < 2; i++) {
		allowed[i] = (struct kaiser_allowed){.start = in.allowed[2 * i],
						     .end = in.allowed[2 * i + 1],
						     .two_views = in.bits >> i & 1,
						     .optional = true,
						     .name = "x"};
		if (allowed[i].end < allowed[i].start)
			allowed[i].end = allowed[i].start;
		boot[i] = (struct kaiser_boot){in.image + i, in.direct, in.allowed, 4};
	}
	const struct kaiser_machine m = {
		.known = (unsigned)in.known | KAISER_KNOWN_CR3,
		.cr3 = in.cr3 % (PAGES * 4096),
		.kernel_root = in.kernel_root % (PAGES * 4096),
		.kernel_cr3 = in.kernel_cr3,
		.switch_bit = in.bits & 4 ? 0x1000 : 0,
		.cr4 = in.cr4,
		.efer = in.efer,
		.idt_base = in.idt,
		.idt_limit = in.idt_limit,
		.gdt_base = in.gdt,
		.gdt_limit = in.gdt_limit,
		.tr_base = in.tr,
		.tr_limit = in.tr_limit,
		.lstar = in.lstar,
		.cstar = in.cstar,
		.sysenter_eip = in.eip,
		.sysenter_cs = (uint16_t)in.eip,
		.window_start = in.window,
		.window_end = in.window + 0x200000,
		.allowed = allowed,
		.allowed_count = 2,
		.image_start = in.image,
		.image_end = in.image + 0x100000,
		.direct_start = in.direct,
		.direct_end = in.direct + 0x40000000,
		.boots = boot,
		.boot_count = in.bits & 8 ? 2 : 0,
		.pa_bits = in.bits >> 8 & 63,
		.enc_mask = in.bits & 16 ? in.enc_mask : 0,
		.user_half_stable = in.bits & 32,
		.foreign_kernel = in.bits & 64,
		.table_limit = 64,
		.scan_limit = 32,
		.read = read_memory,
		.is_root = in.bits & 128 ? odd : NULL,
		.is_foreign = in.bits & 0x10000 ? odd : NULL,
		.is_others = in.bits & 0x20000 ? odd : NULL,
	};
	kaiser_check_run(&m, &sink, NULL);
	kaiser_totals(&m, &t);
	return 0;
}
