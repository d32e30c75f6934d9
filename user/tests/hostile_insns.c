/* SPDX-License-Identifier: MIT */
/* Instructions that ring 3 may not use, the 256 vectors by INT n, SYSENTER, and compat code. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"
#include "ktap.h"

#define SEGV (1ul << SIGSEGV)
#define ILL  (1ul << SIGILL)
#define FPE  (1ul << SIGFPE)
#define TRAP (1ul << SIGTRAP)
#define BUS  (1ul << SIGBUS)
#define LIVE 1ul /* may also go on: the bytes are followed by ret */
/* QEMU's TCG reads the stack of ring 3's far returns as ring 0 and meets SMAP: #PF without U. */
#define EMU (1ul << SIGKILL)

static const struct {
	const char *name;
	unsigned long expect;
	unsigned len;
	const char *bytes;
} insns[] = {
	{"cli", SEGV, 1, "\xfa"},
	{"sti", SEGV, 1, "\xfb"},
	{"hlt", SEGV, 1, "\xf4"},
	{"in", SEGV, 2, "\xe4\x60"},
	{"out", SEGV, 2, "\xe6\x80"},
	{"outsb", SEGV, 1, "\x6e"},
	{"rdmsr", SEGV, 2, "\x0f\x32"},
	{"wrmsr", SEGV, 2, "\x0f\x30"},
	{"mov %cr3, %rax", SEGV, 3, "\x0f\x20\xd8"},
	{"mov %rax, %cr3", SEGV, 3, "\x0f\x22\xd8"},
	{"mov %rax, %cr4", SEGV, 3, "\x0f\x22\xe0"},
	{"mov %rax, %dr7", SEGV, 3, "\x0f\x23\xf8"},
	{"swapgs", SEGV | ILL, 3, "\x0f\x01\xf8"},
	{"invlpg (%rax)", SEGV, 3, "\x0f\x01\x38"},
	{"invd", SEGV, 2, "\x0f\x08"},
	{"wbinvd", SEGV, 2, "\x0f\x09"},
	{"clts", SEGV, 2, "\x0f\x06"},
	{"lgdt (%rsp)", SEGV, 4, "\x0f\x01\x14\x24"},
	{"lidt (%rsp)", SEGV, 4, "\x0f\x01\x1c\x24"},
	{"ltr %ax", SEGV, 3, "\x0f\x00\xd8"},
	{"lldt %ax", SEGV, 3, "\x0f\x00\xd0"},
	{"lmsw %ax", SEGV, 3, "\x0f\x01\xf0"},
	{"sysretq", SEGV | ILL, 3, "\x48\x0f\x07"},
	{"sysexit", SEGV | ILL, 3, "\x48\x0f\x35"},
	{"rsm", SEGV | ILL, 2, "\x0f\xaa"},
	{"monitor", SEGV | ILL, 3, "\x0f\x01\xc8"},
	{"vmcall", SEGV | ILL | LIVE, 3, "\x0f\x01\xc1"},
	{"ud2", ILL, 2, "\x0f\x0b"},
	{"push %es in 64-bit code", ILL, 1, "\x06"},
	{"lock nop", ILL, 2, "\xf0\x90"},
	{"divide by zero", FPE, 4, "\x31\xc9\xf7\xf1"},
	{"int3", TRAP, 1, "\xcc"},
	{"int1", TRAP | ILL, 1, "\xf1"},
	{"kernel selector in ss", SEGV, 6, "\x66\xb8\x18\x00\x8e\xd0"},
	{"null selector in ss", SEGV, 4, "\x31\xc0\x8e\xd0"},
	{"kernel selector in ds", SEGV, 6, "\x66\xb8\x18\x00\x8e\xd8"},
	{"selector beyond the GDT", SEGV, 6, "\x66\xb8\xfb\xff\x8e\xd8"},
	{"TSS selector in es", SEGV, 6, "\x66\xb8\x43\x00\x8e\xc0"},
	{"LDT selector in fs", SEGV, 6, "\x66\xb8\x07\x00\x8e\xe0"},
	{"sysenter", SEGV | ILL | BUS, 2, "\x0f\x34"},
	{"sysenter on a bad stack", SEGV | ILL | BUS, 8, "\x48\x31\xe4\x48\xff\xcc\x0f\x34"},
	{"sysenter single-stepped", SEGV | ILL | BUS | TRAP, 11,
	 "\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x0f\x34"},
	{"ud2 single-stepped", ILL | TRAP, 11, "\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x0f\x0b"},
	{"int3 single-stepped", TRAP, 10, "\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\xcc"},
	{"far return to the kernel's code selector", SEGV | ILL | EMU, 9,
	 "\x6a\x10\x68\x00\x10\x40\x00\x48\xcb"},
	{"iretq of zeros", SEGV | EMU, 12, "\x6a\x00\x6a\x00\x6a\x00\x6a\x00\x6a\x00\x48\xcf"},
	{"iretq to the kernel's selectors", SEGV | EMU, 12,
	 "\x6a\x18\x6a\x00\x6a\x02\x6a\x10\x6a\x00\x48\xcf"},
	/* NT set: IRET in 64-bit mode is #GP then; a system call must not care. */
	{"iretq with NT", SEGV | EMU, 11, "\x9c\x81\x0c\x24\x00\x40\x00\x00\x9d\x48\xcf"},
	{"syscall with NT", LIVE, 16,
	 "\x9c\x81\x0c\x24\x00\x40\x00\x00\x9d\xb8\x6e\x00\x00\x00\x0f\x05"},
	{"alignment check", BUS | LIVE, 14,
	 "\x9c\x81\x0c\x24\x00\x00\x04\x00\x9d\x8b\x44\x24\x01\x90"},
};

static const void *code;
static unsigned code_len;

static int run_bytes(void *flags)
{
	struct rlimit none = {0, 0};
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | (flags ? MAP_32BIT : 0), -1, 0);

	setrlimit(RLIMIT_CORE, &none);
	if (p == MAP_FAILED)
		return 99;
	memcpy(p, code, code_len);
	p[code_len] = 0xc3;
	alarm(5);
	if (flags) {
		/* A far jump to 32-bit code, on a stack it can reach. */
		struct {
			uint32_t ip;
			uint16_t cs;
		} __attribute__((packed)) target = {(uint32_t)(uintptr_t)p, 0x23};

		__asm__ volatile("mov %0, %%rsp; ljmpl *(%1)"
				 :
				 : "r"(p + 4000), "r"(&target)
				 : "memory");
	}
	((void (*)(void))(uintptr_t)p)();
	return 0;
}

static bool expected(int status, unsigned long expect)
{
	return WIFSIGNALED(status) ? (expect >> WTERMSIG(status) & 1) : (expect & LIVE);
}

static void test_insns(void)
{
	for (unsigned i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		code = insns[i].bytes;
		code_len = insns[i].len;
		int status = ktap_child(run_bytes, NULL);

		if (!ktap_ok(expected(status, insns[i].expect), "%s", insns[i].name))
			ktap_note("%s", ktap_status(status));
	}
}

/* A user's INT n is #GP unless the gate is open to ring 3: 3 is SIGTRAP, 4 is Linux's #OF gate, and
 * 0x80 may be a system call. */
static void test_int(void)
{
	int wrong = -1, status = 0;

	for (int n = 0; n < 256 && wrong < 0; n++) {
		uint8_t bytes[2] = {0xcd, (uint8_t)n};
		unsigned long expect = n == 3 ? TRAP : n == 0x80 ? SEGV | LIVE : SEGV;

		code = bytes;
		code_len = 2;
		status = ktap_child(run_bytes, NULL);
		if (!expected(status, expect))
			wrong = n;
	}
	if (!ktap_ok(wrong < 0, "int n, every n"))
		ktap_note("int %#x: %s", (unsigned)wrong, ktap_status(status));
}

static void test_compat(void)
{
	static const struct {
		const char *name;
		unsigned len;
		const char *bytes;
	} cases[] = {
		{"32-bit code: syscall", 9, "\xb8\x14\x00\x00\x00\x0f\x05\x0f\x0b"},
		{"32-bit code: sysenter", 9, "\xb8\x14\x00\x00\x00\x0f\x34\x0f\x0b"},
		{"32-bit code: int 0x80", 9, "\xb8\x14\x00\x00\x00\xcd\x80\x0f\x0b"},
		{"32-bit code: syscall, no such number", 9, "\xb8\xff\xff\xff\x7f\x0f\x05\x0f\x0b"},
		{"32-bit code: sysenter on a bad stack", 11,
		 "\xbc\x00\x00\x00\xf0\x89\xe5\x0f\x34\x0f\x0b"},
		{"32-bit code: into", 2, "\xce\xf4"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		code = cases[i].bytes;
		code_len = cases[i].len;
		int status = ktap_child(run_bytes, "32");

		if (!ktap_ok(expected(status, SEGV | ILL | BUS), "%s", cases[i].name))
			ktap_note("%s", ktap_status(status));
	}
}

void hostile_insns(void)
{
	test_insns();
	test_int();
	test_compat();
}
