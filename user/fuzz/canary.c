/* SPDX-License-Identifier: MIT */
/* A process that nobody touches: its registers and its memory must stay what they are. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

enum { WORDS = 16384 };
static uint64_t memory[WORDS];

/* All registers hold what follows from x, over a spin in which interrupts come and a system call;
 * returns how many changed. */
static uint64_t registers(uint64_t x)
{
	uint64_t bad;

	__asm__ volatile(
		"mov %1, %%rax; movq %%rax, %%xmm0; movq %%rax, %%xmm7; movq %%rax, %%xmm15\n"
		"lea 1(%%rax), %%rbx; lea 2(%%rax), %%rdx; lea 3(%%rax), %%rsi\n"
		"lea 4(%%rax), %%rdi; lea 5(%%rax), %%r8; lea 6(%%rax), %%r9\n"
		"lea 7(%%rax), %%r10; lea 8(%%rax), %%r12; lea 9(%%rax), %%r13\n"
		"lea 10(%%rax), %%r14; lea 11(%%rax), %%r15; mov $20000, %%ecx\n"
		"1: dec %%ecx; jnz 1b\n"
		"mov $110, %%eax; syscall\n"
		"movq %%xmm0, %%rax; xor %%ecx, %%ecx; xor %%r11d, %%r11d\n"
		".macro same reg off\n"
		"lea \\off(%%rax), %%r11; xor \\reg, %%r11; or %%r11, %%rcx\n"
		".endm\n"
		"same %%rbx 1; same %%rdx 2; same %%rsi 3; same %%rdi 4; same %%r8 5\n"
		"same %%r9 6; same %%r10 7; same %%r12 8; same %%r13 9; same %%r14 10\n"
		"same %%r15 11\n"
		".purgem same\n"
		"movq %%xmm7, %%r11; xor %%rax, %%r11; or %%r11, %%rcx\n"
		"movq %%xmm15, %%r11; xor %%rax, %%r11; or %%r11, %%rcx\n"
		"xor %1, %%rax; or %%rax, %%rcx; mov %%rcx, %0"
		: "=m"(bad)
		: "m"(x)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		  "r14", "r15", "xmm0", "xmm7", "xmm15", "memory", "cc");
	return bad;
}

void canary_run(struct shared *shared)
{
	struct rng r;

	rng_start(&r, 42, (uint64_t)getpid());
	for (unsigned i = 0; i < WORDS; i++)
		memory[i] = i * 0x9e3779b97f4a7c15u;
	for (;;) {
		bool bad = registers(rng_next(&r)) != 0;

		for (unsigned i = 0; i < WORDS; i += 61)
			bad |= memory[i] != i * 0x9e3779b97f4a7c15u;
		if (bad)
			__atomic_fetch_add(&shared->canary_bad, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&shared->canary_rounds, 1, __ATOMIC_RELAXED);
		usleep(20000);
	}
}
