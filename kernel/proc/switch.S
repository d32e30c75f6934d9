/* SPDX-License-Identifier: MIT */
/*
 * From one kernel stack to another. The compiler has saved all it needs of the caller-saved
 * registers, so only the callee-saved ones go on the stack; a new task's stack is laid out as if it
 * had called switch_stacks() from task_entry (see task_alloc() in task.c):
 *
 *	kernel_sp ->	r15 r14 r13 r12 rbx rbp		7 words with the return address,
 *			return address			then what the function has pushed
 */

	.text

/* struct task *switch_stacks(struct task *prev, struct task *next)
 * task.kernel_sp is the first word. Interrupts off. */
	.globl	switch_stacks
	.hidden	switch_stacks
	.type	switch_stacks, @function
	.balign	16
switch_stacks:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	movq	%rdi, %rax
	ret
	.size	switch_stacks, . - switch_stacks

/* A new task's first instruction; %rax: who ran here before. %rbp is 0: the end of a backtrace. */
	.globl	task_entry
	.hidden	task_entry
	.type	task_entry, @function
	.balign	16
task_entry:
	movq	%rax, %rdi
	call	task_first_run
	ud2
	.size	task_entry, . - task_entry

	.section .note.GNU-stack, "", @progbits
