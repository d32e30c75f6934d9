/* SPDX-License-Identifier: MIT */
/*
 * A host that keeps its own entry code and page tables: of libkaiser it uses the CR3 macros
 * (entry.S) and the check table (verify.h), nothing else. One CPU, one program, which makes system
 * calls and faults and looks at its registers after each; NMIs come from outside (make check).
 */
#include <kaiser/verify.h>

#define KERNEL_BASE UINT64_C(0xffffffff80000000)
#define DIRECT_MAP  UINT64_C(0xffff800000000000)
#define PAGE        UINT64_C(4096)
#define NX          (UINT64_C(1) << 63)
enum { P = 1, W = 2, U = 4, A = 0x20 };

extern char tramp_text[], tramp_data[], idt[], gdt[], tss[], entry_syscall[], entry_paranoid[];
extern char entry_stubs[], entry_syscall32[], entry_double_fault[], entry_stack_top[], ist_stacks[],
	kernel_stack[16384];
extern char user_program[], user_program_end[], exit_user[];
extern uint64_t boot_root[], events[2];

/* The pair: kernel root in the even page, user root in the odd one. */
static _Alignas(8192) uint64_t roots[2][512];
static _Alignas(4096) uint64_t window[3][512]; /* the user root's way to the trampoline */
static _Alignas(4096) uint64_t user[3][512];
static _Alignas(4096) uint64_t image[3][512]; /* the image, in the kernel root: the first 2 MiB */
static _Alignas(4096) char user_code[4096], user_data[4096];

static uint64_t pa(const void *va)
{
	return (uint64_t)va - KERNEL_BASE;
}

static void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static void print(const char *text)
{
	for (; *text; text++)
		outb(0x3f8, (uint8_t)*text);
}

__attribute__((__noreturn__)) static void stop(const char *text, uint8_t code)
{
	print(text);
	for (;;)
		outb(0xf4, code);
}

void kernel_bug(void);
void kernel_bug(void)
{
	stop("macros-only: an exception in the kernel\n", 0x12);
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

/* Maps va in the tables t[0] (directory pointers), t[1], t[2]. */
static void map(uint64_t t[3][512], uint64_t va, uint64_t page, uint64_t bits)
{
	uint64_t upper = P | W | A | (bits & U);

	t[0][va >> 30 & 511] = pa(t[1]) | upper;
	t[1][va >> 21 & 511] = pa(t[2]) | upper;
	t[2][va >> 12 & 511] = page | bits | P | A;
}

static void make_roots(void)
{
	roots[0][256] = boot_root[256] | A | NX; /* the direct map */
	for (uint64_t p = UINT64_C(1) << 20; p < UINT64_C(2) << 20; p += PAGE)
		map(image, KERNEL_BASE + p, p, p < pa(tramp_data) ? 0 : W | NX);
	roots[0][511] = pa(image[0]) | P | W | A;
	for (unsigned i = 0; i < (unsigned)(user_program_end - user_program); i++)
		user_code[i] = user_program[i];
	map(user, 0x400000, pa(user_code), U);
	map(user, 0x401000, pa(user_data), U | W | NX);
	roots[0][0] = pa(user[0]) | P | W | U | A | NX; /* poison: a missed switch faults at once */
	roots[1][0] = pa(user[0]) | P | W | U | A;
	map(window, (uint64_t)tramp_text, pa(tramp_text), 0);
	map(window, (uint64_t)tramp_data, pa(tramp_data), W | NX);
	map(window, (uint64_t)tramp_data + PAGE, pa(tramp_data) + PAGE, W | NX);
	roots[1][511] = pa(window[0]) | P | W | A;
	__asm__ volatile("movq %0, %%cr3" ::"r"(pa(roots[0])) : "memory");
}

static void set_gate(unsigned vector, const char *entry, unsigned ist, unsigned dpl)
{
	uint64_t *gate = (uint64_t *)(idt + vector * 16), ip = (uint64_t)entry;

	gate[0] = (ip & 0xffff) | KAISER_KERNEL_CS << 16 | (uint64_t)ist << 32 |
		  UINT64_C(0x8e00) << 32 | (uint64_t)dpl << 45 | (ip >> 16 & 0xffff) << 48;
	gate[1] = ip >> 32;
}

static void make_tables(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((__packed__)) idtr = {32 * 16 - 1, (uint64_t)idt},
				      gdtr = {10 * 8 - 1, (uint64_t)gdt};
	uint64_t base = (uint64_t)tss, *descriptor = (uint64_t *)(gdt + KAISER_TSS_SEL);

	for (unsigned v = 0; v < 32; v++)
		set_gate(v, entry_stubs + 16 * v, 0, v == 3 ? 3 : 0);
	set_gate(2, entry_paranoid, 1, 0);
	set_gate(1, entry_paranoid, 2, 0);
	set_gate(18, entry_paranoid, 3, 0);
	set_gate(8, entry_double_fault, 4, 0);
	*(uint64_t *)(tss + 4) = (uint64_t)entry_stack_top;
	for (unsigned ist = 1; ist <= 4; ist++)
		*(uint64_t *)(tss + 28 + 8 * ist) = (uint64_t)ist_stacks + 512 * ist;
	*(uint16_t *)(tss + 102) = 104; /* no I/O bitmap */
	descriptor[0] =
		103 | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56;
	descriptor[1] = base >> 32;
	__asm__ volatile("lgdt %0; lidt %1; ltr %w2" ::"m"(gdtr), "m"(idtr), "r"(KAISER_TSS_SEL));
	wrmsr(0xc0000101, (uint64_t)tramp_data);
	wrmsr(0xc0000102, 0);
	wrmsr(0xc0000081, (uint64_t)KAISER_USER32_CS << 48 | (uint64_t)KAISER_KERNEL_CS << 32);
	wrmsr(0xc0000082, (uint64_t)entry_syscall);
	wrmsr(0xc0000083, (uint64_t)entry_syscall32);
	wrmsr(0xc0000084, 0x257fd5);
	wrmsr(0x174, 0); /* SYSENTER is #GP */
}

/* ---- the check table, on this host's own tables ---- */

static int read_memory(void *ctx, uint64_t at, void *buf, size_t n)
{
	(void)ctx;
	if (at >= UINT64_C(1) << 30 || n > PAGE)
		return -1;
	for (size_t i = 0; i < n; i++)
		((char *)buf)[i] = ((char *)DIRECT_MAP)[at + i];
	return 0;
}

static void found(void *ctx, const struct kaiser_finding *f)
{
	char text[120];

	if (f->severity == KAISER_ERROR)
		++*(unsigned *)ctx;
	if (f->severity == KAISER_INFO)
		return;
	kaiser_finding_text(f, text, sizeof(text));
	print("macros-only: ");
	print(text);
	print("\n");
}

/* The checks whose promise this host makes; `pointers` it does not: its text page holds calls. */
static unsigned verify(void)
{
	static const char *const checks[] = {"isolated",  "tables",   "four_pages", "sufficient",
					     "wx",        "user_bit", "global",     "same_frame",
					     "nx_poison", "sync",     "self_map"};
	uint64_t text = (uint64_t)tramp_text, data = (uint64_t)tramp_data;
	const struct kaiser_allowed allowed[] = {
		{.start = text,
		 .end = text + PAGE,
		 .rights = KAISER_MAY_EXEC,
		 .name = "trampoline text"},
		{.start = data,
		 .end = data + 2 * PAGE,
		 .rights = KAISER_MAY_WRITE,
		 .name = "trampoline data"},
	};
	unsigned errors = 0;
	struct kaiser_sink sink = {&errors, found};
	struct kaiser_machine m = {
		.known = KAISER_KNOWN_CR3 | KAISER_KNOWN_KERNEL_ROOT | KAISER_KNOWN_CR4 |
			 KAISER_KNOWN_EFER | KAISER_KNOWN_IDT | KAISER_KNOWN_GDT | KAISER_KNOWN_TR |
			 KAISER_KNOWN_LSTAR | KAISER_KNOWN_CSTAR | KAISER_KNOWN_SYSENTER |
			 KAISER_KNOWN_WINDOW | KAISER_KNOWN_ALLOWED,
		.cr3 = pa(roots[1]),
		.kernel_root = pa(roots[0]),
		.switch_bit = KAISER_SWITCH_BIT,
		.cr4 = 0x20,
		.efer = 0xd01,
		.idt_base = (uint64_t)idt,
		.idt_limit = 32 * 16 - 1,
		.gdt_base = (uint64_t)gdt,
		.gdt_limit = 10 * 8 - 1,
		.tr_base = (uint64_t)tss,
		.tr_limit = 103,
		.lstar = (uint64_t)entry_syscall,
		.cstar = (uint64_t)entry_syscall32,
		.window_start = text,
		.window_end = data + 2 * PAGE,
		.allowed = allowed,
		.allowed_count = 2,
		.user_half_stable = true,
		.read = read_memory,
	};

	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		kaiser_check_run(&m, &sink, checks[i]);
	return errors;
}

/* ---- the program ---- */

/* 256: a system call: rdi 0 is the end, with rsi 1 if all was right; else rax comes back as rdi
 * + 1. An exception goes on at r12, with the vector in rax. */
void kernel_event(struct pt_regs *regs, unsigned vector);
void kernel_event(struct pt_regs *regs, unsigned vector)
{
	if (vector != 256) {
		regs->ax = vector;
		regs->ip = regs->r12;
	} else if (regs->di != 0) {
		regs->ax = regs->di + 1;
	} else if (regs->si != 1) {
		stop("macros-only: FAIL\n", 0x11);
	} else if (__atomic_load_n(&events[1], __ATOMIC_RELAXED) < 20 ||
		   __atomic_load_n(&events[0], __ATOMIC_RELAXED) < 1) {
		regs->ax = 0; /* more, until enough NMIs came under either root */
	} else {
		stop("macros-only: PASS\n", 0x10);
	}
}

void macros_main(void);
void macros_main(void)
{
	struct pt_regs *regs = (struct pt_regs *)(kernel_stack + 16384) - 1;

	outb(0x21, 0xff); /* no interrupts but NMIs */
	outb(0xa1, 0xff);
	make_roots();
	make_tables();
	if (verify())
		stop("macros-only: the page tables do not isolate\n", 0x11);
	print("macros-only: the checks are content\n");
	*regs = (struct pt_regs){.ip = 0x400000,
				 .cs = KAISER_USER_CS,
				 .ss = KAISER_USER_DS,
				 .flags = 2,
				 .sp = 0x402000};
	__asm__ volatile("movq %0, %%rsp\n\tjmp exit_user" ::"r"(regs) : "memory");
	__builtin_unreachable();
}
