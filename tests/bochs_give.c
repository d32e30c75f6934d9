/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into Bochs 2.7, whose debugger's `take` knows NMIs and SMIs alone. Its script gets
 *three commands more:
 *
 *	give irq N	a message with vector N to the local APIC of CPU 0, as from a device or
 *another CPU: taken where interrupts are on give mce	#MC on CPU 0, here and now, delivered by
 *Bochs' own code for exceptions give bases	prints FS base, GS base and the GS base that SWAPGS
 *would load
 *
 * All call functions that the emulator exports for its plugins. What must never happen is a fault
 *of the delivery itself: it would jump into a loop that is not running. So a machine check whose
 *IST stack is not there ends Bochs, not the guest.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MSR_FS_BASE        0xc0000100U
#define MSR_KERNEL_GS_BASE 0xc0000102U

enum { DEBUG = 1, MACHINE_CHECK = 18, HARDWARE_EXCEPTION = 3, FIXED = 0, EDGE = 0 };

static void *exported(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	if (!p) {
		printf("bochs_give: this Bochs exports no %s\n", name);
		exit(1);
	}
	return p;
}

static void give_irq(unsigned vector)
{
	bool (*deliver)(unsigned char vector, unsigned apic, unsigned char mode, bool logical,
			bool level, bool trigger);

	*(void **)&deliver = exported("_Z26apic_bus_deliver_interrupthjhbbb");
	deliver(vector, 0, FIXED, false, true, EDGE);
	printf("Delivering IRQ%x\n", vector);
}

static void give_exception(unsigned char vector, const char *name)
{
	void ***cpus = exported("bx_cpu_array");
	void (*interrupt)(void *cpu, unsigned char vector, unsigned type, bool has_code,
			  unsigned short code);

	*(void **)&interrupt = exported("_ZN8BX_CPU_C9interruptEhjbt");
	interrupt((*cpus)[0], vector, HARDWARE_EXCEPTION, false, 0);
	printf("Delivering %s\n", name);
}

static void give_bases(void)
{
	void ***cpus = exported("bx_cpu_array");
	bool (*rdmsr)(void *cpu, unsigned msr, unsigned long *value);
	unsigned long value;

	*(void **)&rdmsr = exported("_ZN8BX_CPU_C5rdmsrEjPm");
	printf("Bases");
	for (unsigned msr = MSR_FS_BASE; msr <= MSR_KERNEL_GS_BASE; msr++)
		printf(" %016lx", rdmsr((*cpus)[0], msr, &value) ? value : 0xbadUL);
	printf("\n");
}

/* The debugger reads its script line by line. */
char *fgets(char *line, int size, FILE *f)
{
	static char *(*real)(char *, int, FILE *);
	char *got;
	unsigned vector;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fgets");
	while ((got = real(line, size, f)) != NULL) {
		if (sscanf(got, "give irq %x", &vector) == 1)
			give_irq(vector);
		else if (strcmp(got, "give mce\n") == 0)
			give_exception(MACHINE_CHECK, "MCE");
		else if (strcmp(got, "give db\n") == 0)
			give_exception(DEBUG, "DB");
		else if (strcmp(got, "give bases\n") == 0)
			give_bases();
		else
			break;
	}
	return got;
}
