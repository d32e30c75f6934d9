/* SPDX-License-Identifier: MIT */
/*
 * Fills every general register, RSP and RIP included, and the XMM registers with the pattern, and
 * keeps it there while taking every path into the kernel: system calls by SYSCALL and INT 0x80,
 * breakpoint, invalid instruction, general protection, page fault, single step, the timer; then
 * sleeps.
 */
#include "nolibc.h"
#include "residue.h"

#define SIGILL  4
#define SIGTRAP 5
#define SIGBUS  7
#define SIGSEGV 11

#define TF 0x100

/* Copied to PATTERN_CODE: 256 bytes at most. A fault goes on at the next label of pattern_resume.
 */
#pragma GCC visibility push(hidden) /* or addresses need relocation, and nobody does that */
extern const char pattern_code[], pattern_end[];
extern const unsigned short pattern_resume[];
#pragma GCC visibility pop

__asm__("	.section .rodata\n"
	"	.globl pattern_code, pattern_end, pattern_resume\n"
	"	.hidden pattern_code, pattern_end, pattern_resume\n"
	"pattern_code:\n"
	"0:	movl	$110, %eax\n" /* getppid */
	"	syscall\n"
	"	movl	$24, %eax\n" /* sched_yield */
	"	syscall\n"
	"	movq	%r8, %rcx\n" /* what SYSCALL took */
	"	movq	%r9, %r11\n"
	"	movq	%r10, %rax\n"
	"	int3\n"
	"1:	ud2\n"                  /* its handler sets TF: */
	"2:	nop\n"                  /* a single step here */
	"	movq	(%r12), %rax\n" /* not canonical: #GP */
	"3:	movq	(%r13), %rax\n" /* not mapped: #PF */
	"4:	movl	$20, %eax\n"
	"	int	$0x80\n" /* a system call, or #GP */
	"5:	movq	%r10, %rax\n"
	"6:	incb	%al\n" /* for the timer */
	"	jnz	6b\n"
	"	incb	%bl\n"
	"	jnz	6b\n"
	"	movabsq	$0x5ac3b7d2f4f0, %rdi\n"
	"	movq	%rdi, %rsi\n"
	"	movl	$35, %eax\n" /* nanosleep */
	"	syscall\n"
	"	movq	%r14, %rdi\n"
	"	movq	%r15, %rsi\n"
	"	lock incq 0x400(%rbp)\n"
	"	jmp	0b\n"
	"7:	.org pattern_code + 0xf0\n"
	"	.quad	0, 3000000\n" /* the time to sleep */
	"pattern_end:\n"
	"pattern_resume:\n"
	"	.short	1b - 0b, 2b - 0b, 3b - 0b, 4b - 0b, 5b - 0b, 0\n"
	"	.text\n");

static volatile uint64_t *const data = (uint64_t *)PATTERN_DATA;

static void on_signal(int sig, void *info, void *context)
{
	uint64_t at = CONTEXT_RIP(context) - PATTERN_CODE;

	(void)info;
	data[DATA_SIGNALS + sig]++;
	if (sig == SIGTRAP) { /* behind the instruction already */
		CONTEXT_FLAGS(context) &= ~(uint64_t)TF;
		return;
	}
	for (unsigned i = 0; pattern_resume[i]; i++) {
		if (pattern_resume[i] > at) {
			CONTEXT_RIP(context) = PATTERN_CODE + pattern_resume[i];
			break;
		}
	}
	if (sig == SIGILL)
		CONTEXT_FLAGS(context) |= TF;
}

void program(void)
{
	static char stack[16384];
	volatile unsigned long alternative[3]; /* a stack_t: address, flags, size */
	char *page = (char *)PATTERN_PAGE;
	static const int signals[] = {SIGILL, SIGTRAP, SIGBUS, SIGSEGV};

	if (call6(SYS_mmap, PATTERN_PAGE, 4096, 7, 0x32, -1, 0) != PATTERN_PAGE)
		say("outside: no page for the pattern\n");
	for (long i = 0; i < pattern_end - pattern_code; i++)
		page[0x400 + i] = pattern_code[i];
	alternative[0] = (unsigned long)stack;
	alternative[1] = 0;
	alternative[2] = sizeof(stack);
	call3(SYS_sigaltstack, (long)alternative, 0, 0);
	for (unsigned i = 0; i < 4; i++)
		handle(signals[i], on_signal, SA_ONSTACK | SA_NODEFER);
	__asm__ volatile(
#define FILL(reg, n) "	movabsq $0xa5c3e1" n "b7d2f4" n ", %%" reg "\n"
		FILL("rax", "01") FILL("rbx", "02") FILL("rcx", "03") FILL("rdx", "04") FILL(
			"rsi", "05") FILL("rdi", "06")
#define FILL_XMM(n) "	movq %%rax, %%xmm" n "\n	punpcklqdq %%xmm" n ", %%xmm" n "\n"
			FILL_XMM("0") FILL_XMM("1") FILL_XMM("2") FILL_XMM("3") FILL_XMM(
				"4") FILL_XMM("5") FILL_XMM("6") FILL_XMM("7") FILL_XMM("8")
				FILL_XMM("9") FILL_XMM("10") FILL_XMM("11") FILL_XMM("12") FILL_XMM(
					"13") FILL_XMM("14") FILL_XMM("15") FILL("r8", "08")
					FILL("r9", "09") FILL("r10", "0a") FILL("r11", "0b") FILL(
						"r12", "0c") FILL("r14", "06") FILL("r15", "05")
						FILL("rsp", "07") "	movabsq	%0, %%r13\n"
								  "	movabsq	%1, %%rbp\n"
								  "	jmp	*%%rbp\n" ::"i"(
									  PATTERN_HOLE),
		"i"(PATTERN_CODE));
	__builtin_unreachable();
}
