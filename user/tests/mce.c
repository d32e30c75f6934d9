/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * What tests/machine_check.t does its machine checks to: says where it stands, spins in user mode,
 * and tells what came. The last stage goes round all ways into the kernel for ever, slowly: the
 * last round is in the trace.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static uint8_t victim[4096] __attribute__((aligned(4096)));
enum { SLOWLY = 2000000 };

static volatile int code;
static volatile uint64_t addr;
static volatile int skip;

static void on_bus(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	code = info->si_code;
	addr = (uint64_t)(uintptr_t)info->si_addr;
	_exit(sig == SIGBUS && code == 4 && addr == (uint64_t)(uintptr_t)victim + 64 ? 0 : 1);
}

static int spin(int stage)
{
	struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	victim[0] = 1;
	if (stage == 1)
		sigaction(SIGBUS, &sa, NULL);
	if (stage == 2) { /* cannot be held back */
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
	}
	alarm(stage == 3 ? 4 : 0);
	ktap_note("stage %d %#lx", stage, (unsigned long)(uintptr_t)victim);
	while (!skip)
		__asm__ volatile("pause");
	return 99;
}

static int stage(int n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(spin(n));
	waitpid(pid, &status, 0);
	return status;
}

/* Skips the instruction, whose length the spot itself has put into `skip`. */
static void on_fault(int sig, siginfo_t *info, void *uc_)
{
	uint64_t *gregs = (uint64_t *)((char *)uc_ + 40);

	(void)info;
	if (sig != SIGTRAP)
		gregs[16] += (uint64_t)skip;
	gregs[17] &= ~0x100ul;
}

/* SYSCALL and SYSENTER from 32-bit code, on a stack that it reaches. The program lies below 2 GiB.
 */
uint64_t low_stack[512], old_stack;
void ways32(void);
__asm__(".text\nways32:\n"
	"push %rbx; push %rbp; mov %rsp, old_stack; lea low_stack+4000, %rsp; ljmp *to32\n"
	".code32\n"
	"1: mov $20, %eax; syscall\n"
	"mov %esp, %ebp; mov $2f, %edx; mov $20, %eax; sysenter\n"
	"2: ljmp $0x33, $3f\n"
	".code64\n"
	"3: mov old_stack, %rsp; pop %rbp; pop %rbx; ret\n"
	".data\nto32: .long 1b\n.word 0x23\n.text\n");

static void all_ways(void)
{
	static const int sigs[] = {SIGSEGV, SIGILL, SIGTRAP, SIGFPE, SIGBUS};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	ktap_note("stage 4 0");
	for (;;) {
		syscall(SYS_getppid);
		__asm__ volatile("mov $20, %%eax; int $0x80" ::: "rax", "memory");
		ways32();
		skip = 2;
		__asm__ volatile("ud2");
		skip = 1;
		__asm__ volatile("hlt");
		__asm__ volatile("int3");
		skip = 2;
		__asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx" ::
					 : "rax", "rcx", "rdx");
		skip = 3;
		__asm__ volatile("mov %%rax, (%0)" ::"r"(8ul) : "memory"); /* 48 89 /r */
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "cc", "memory");
		for (volatile unsigned n = 0; n < SLOWLY; n++)
			;
	}
}

int main(void)
{
	int status;

	ktap_start();
	status = stage(1);
	ktap_ok(status == 0, "a handler learns of SIGBUS, BUS_MCEERR_AR and the address (%s)",
		ktap_status(status));
	status = stage(2);
	ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
		"SIGBUS cannot be held back (%s)", ktap_status(status));
	status = stage(3);
	ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM,
		"an error that was corrected changes nothing (%s)", ktap_status(status));
	all_ways();
}
