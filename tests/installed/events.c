/* SPDX-License-Identifier: MIT */
/* Each handler: exceptions of the kernel's own, then a program's, and a double fault at the end. */
#include "api.h"

extern const char program[], program_end[];
__asm__(".section .rodata\n"
	"program:\n\t"
	"movl $7, %eax\n\t"
	"syscall\n\t"
	"movl $20, %eax\n\t"
	"int $0x80\n\t"
	"pushfq\n\t"
	"orl $0x100, (%rsp)\n\t" /* TF: #DB after the instruction after the next */
	"popfq\n\t"
	"nop\n\t"
	"ud2\n\t"
	"movl $99, %eax\n\t"
	"syscall\n\t"
	"jmp .\n"
	"program_end:\n"
	".text\n");

static unsigned nmis, debugs, ia32s, syscalls, undefined;
#ifndef LIBRARY_HANDLERS
static unsigned mcs;
#endif
static _Alignas(16) char stack[STACK_BYTES];

/* By INT n: the way through the gate is that of the real event. */
void events_from_kernel(void)
{
	__asm__ volatile("int $2" ::: "memory");
	check(nmis == 1, "kaiser_on_nmi() ran");
#ifndef LIBRARY_HANDLERS
	__asm__ volatile("int $18" ::: "memory");
	check(mcs == 1, "kaiser_on_machine_check() ran");
#endif
	__asm__ volatile("int $1" ::: "memory");
	check(debugs == 1, "kaiser_on_debug() ran");
}

void events_from_user(void)
{
	struct pt_regs *regs = kaiser_user_frame((uint64_t)(stack + STACK_BYTES));
	uint64_t *low = phys_to_virt(NULL, space_top[0] & ~(PAGE - 1));

	for (uint64_t shift = 30; shift >= 12; shift -= 9)
		low = phys_to_virt(NULL, low[USER_CODE >> shift & 511] & ~(PAGE - 1) & ~PTE_NX);
	for (const char *p = program; p < program_end; p++)
		((char *)low)[p - program] = *p;
	*regs = (struct pt_regs){.ip = USER_CODE,
				 .cs = KAISER_USER_CS,
				 .ss = KAISER_USER_DS,
				 .flags = 0x202,
				 .sp = USER_DATA + PAGE};
	kaiser_set_kernel_stack((uint64_t)(stack + STACK_BYTES));
	called("kaiser_set_kernel_stack");
	check(kaiser_kernel_stack() == (uint64_t)(stack + STACK_BYTES),
	      "the stack is where it was set");
	called("kaiser_kernel_stack");
	called("kaiser_user_frame");
	kaiser_space_switch(&kaiser, &space);
	kaiser_exit_to_user(regs);
}

/* A stack that has run out: the push faults, and the fault finds no stack. */
static void overflow(void)
{
	__asm__ volatile(
		"movq %0, %%rsp\n\t"
		"pushq %%rax" ::"r"(config.window + KAISER_CPU_STRIDE + KAISER_CPU_NMI_STACK)
		: "memory");
	__builtin_unreachable();
}

void kaiser_on_syscall(struct pt_regs *regs)
{
	syscalls++;
	check(regs->orig_ax == 7 || regs->orig_ax == 99, "a system call");
	if (regs->orig_ax != 99)
		return;
	called("kaiser_on_syscall");
	check(syscalls == 2 && ia32s == 1 && debugs == 2 && undefined == 1,
	      "each event of the program came once");
	kaiser_space_switch(&kaiser, NULL);
	kaiser_space_evict(&space);
	check(space.cpus == 0, "nobody holds the space");
	overflow();
}

void kaiser_on_ia32(struct pt_regs *regs, unsigned how)
{
	called("kaiser_on_ia32");
	check(how == KAISER_IA32_INT80 && regs->orig_ax == 20, "a 32-bit system call");
	ia32s++;
}

void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector)
{
	if (vector >= 32) {
		if (vector == VEC_HOOK)
			hook_interrupt();
		*apic(APIC_EOI) = 0;
		return;
	}
	if (!kaiser_user_mode(regs) || vector != 6)
		panic(NULL,
		      kaiser_user_mode(regs) ? "a fault of the program" : "a fault of the kernel");
	called("kaiser_user_mode");
	called("kaiser_on_interrupt");
	regs->ip += 2;
	undefined++;
}

void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6)
{
	called("kaiser_on_debug");
	regs->flags &= ~UINT64_C(0x100);
	debugs++;
}

void kaiser_on_nmi(struct pt_regs *regs)
{
	called("kaiser_on_nmi");
	nmis++;
}

/* Without them the library's take their place: installed.t boots both. */
#ifndef LIBRARY_HANDLERS
void kaiser_on_machine_check(struct pt_regs *regs)
{
	called("kaiser_on_machine_check");
	mcs++;
}

void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	const char *name = kaiser_hole_name(&kaiser, cr2);

	called("kaiser_on_double_fault");
	check(name && name[0] == 'N' && name[1] == 'M', "the NMI stack ran over");
	print_called();
	print(NULL, "PASS");
	outb(0xf4, 0x10);
	for (;;)
		__asm__ volatile("cli; hlt");
}
#endif
