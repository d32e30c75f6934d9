/* SPDX-License-Identifier: MIT */
/*
 * A guest under QEMU, looked at from outside: its registers by QMP, its memory by a mapping of the
 * same file. Nothing in the guest takes part.
 *
 * What cannot go on ends the test: vm_die() says why and leaves no QEMU behind.
 */
#ifndef OUTSIDE_VM_H
#define OUTSIDE_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VM_MAX_CPUS 16

struct vm_segment {
	unsigned selector;
	uint64_t base;
	uint32_t limit;
};

struct vm_cpu {
	uint64_t reg[16]; /* in the order of their numbers: rax rcx rdx rbx rsp rbp rsi rdi r8... */
	uint64_t rip, cr0, cr2, cr3, cr4, efer;
	unsigned cpl;
	struct vm_segment cs, fs, gs, ldt, tr, gdt, idt;
};

struct vm_config {
	const char *kernel, *initrd, *append;
	const char *machine; /* pc, microvm */
	const char *cpu;
	unsigned cpus, megabytes;
	bool one_insn; /* an event can hit each instruction, not only the first of a block */
};

struct vm;

struct vm *vm_start(const struct vm_config *config);
void vm_end(struct vm *vm);

/* Waits for text on the serial line; then *line, if wanted, is the rest of that line. */
void vm_wait_text(struct vm *vm, const char *text, char *line, size_t size, int seconds);
void vm_stop(struct vm *vm);
void vm_go(struct vm *vm);
void vm_nmi(struct vm *vm); /* one to each CPU */

/* The registers of all CPUs, at a stop. */
const struct vm_cpu *vm_registers(struct vm *vm);
unsigned vm_cpus(const struct vm *vm);

/* n bytes at physical address pa, or NULL if that is not RAM. */
const uint8_t *vm_memory(const struct vm *vm, uint64_t pa, size_t n);

_Noreturn void vm_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
