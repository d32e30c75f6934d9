/* SPDX-License-Identifier: MIT */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK (UINT64_C(256) << 10)

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define LEAVE(from, to) __sanitizer_start_switch_fiber(&(from)->fake, (to)->stack, (to)->size)
#define ARRIVE(self)    __sanitizer_finish_switch_fiber((self)->fake, NULL, NULL)
#else
#define LEAVE(from, to) ((void)0)
#define ARRIVE(self)    ((void)0)
#endif

void fiber_swap(void **save, void *load);

/* The registers a called function must keep go to the stack, then the stack changes. */
__asm__(".text\n"
	".globl fiber_swap\n"
	".type fiber_swap, @function\n"
	"fiber_swap:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size fiber_swap, . - fiber_swap\n");

void fiber_start(struct fiber *f, void (*entry)(void))
{
	uint64_t *sp;

	if (!f->stack) {
		f->size = STACK;
		f->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (f->stack == MAP_FAILED) {
			perror("model: stack");
			exit(2);
		}
	}
	sp = (uint64_t *)(f->stack + f->size);
	*--sp = 0; /* no caller, and RSP as after a call; entry() never returns */
	*--sp = (uint64_t)(uintptr_t)entry;
	for (unsigned i = 0; i < 6; i++)
		*--sp = 0;
	f->sp = sp;
	f->fake = NULL;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	LEAVE(from, to);
	fiber_swap(&from->sp, to->sp);
	ARRIVE(from);
}
