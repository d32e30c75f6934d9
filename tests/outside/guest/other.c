/* SPDX-License-Identifier: MIT */
/* Spins in user mode, to be known by r15, and makes a system call now and then. */
#include "nolibc.h"
#include "residue.h"

void program(void)
{
	__asm__ volatile("1:	movabsq %0, %%r15\n"
			 "	movl $3000000, %%ebx\n"
			 "2:	decl %%ebx\n"
			 "	jnz 2b\n"
			 "	movl $110, %%eax\n"
			 "	syscall\n"
			 "	jmp 1b\n" ::"i"(OTHER_R15));
	__builtin_unreachable();
}
