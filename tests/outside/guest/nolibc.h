/* SPDX-License-Identifier: MIT */
/* What the guests' programs need of Linux: no libc, so that a boot is short and memory small. */
#ifndef GUEST_NOLIBC_H
#define GUEST_NOLIBC_H

#include <stddef.h>
#include <stdint.h>

enum {
	SYS_write = 1,
	SYS_mmap = 9,
	SYS_munmap = 11,
	SYS_rt_sigaction = 13,
	SYS_sched_yield = 24,
	SYS_nanosleep = 35,
	SYS_fork = 57,
	SYS_execve = 59,
	SYS_exit = 60,
	SYS_wait4 = 61,
	SYS_getppid = 110,
	SYS_sigaltstack = 131,
	SYS_reboot = 169,
	SYS_sched_setaffinity = 203,
	SYS_sched_getaffinity = 204,
};

static inline long call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static inline long call3(long n, long a, long b, long c)
{
	return call6(n, a, b, c, 0, 0, 0);
}

static inline void say(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	call3(SYS_write, 1, (long)text, (long)n);
}

static inline void pin(unsigned cpu)
{
	unsigned long mask = 1UL << cpu;

	if (call3(SYS_sched_setaffinity, 0, sizeof(mask), (long)&mask) < 0)
		say("outside: cannot pin\n");
}

struct action {
	void (*handler)(int sig, void *info, void *context);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};
#define SA_SIGINFO  4ul
#define SA_RESTORER 0x04000000ul
#define SA_ONSTACK  0x08000000ul
#define SA_NODEFER  0x40000000ul

__attribute__((visibility("hidden"))) void signal_return(void);
__asm__("	.text\n"
	"signal_return:\n"
	"	movl $15, %eax\n"
	"	syscall\n");

static inline void handle(int sig, void (*handler)(int, void *, void *), unsigned long flags)
{
	struct action a = {handler, flags | SA_SIGINFO | SA_RESTORER, signal_return, 0};

	if (call6(SYS_rt_sigaction, sig, (long)&a, 0, 8, 0, 0) < 0)
		say("outside: cannot catch a signal\n");
}

/* A signal context's registers: after uc_flags, uc_link and the stack's three words. */
#define CONTEXT_RIP(context)   (((uint64_t *)(context))[5 + 16])
#define CONTEXT_FLAGS(context) (((uint64_t *)(context))[5 + 17])

_Noreturn void program(void);
__asm__("	.text\n"
	"	.globl _start\n"
	"_start:\n"
	"	andq $-16, %rsp\n"
	"	call program\n");

#endif
