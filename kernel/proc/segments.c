/* SPDX-License-Identifier: MIT */
/*
 * The segment registers of user mode, and the bases of FS and GS. Data segments stay the program's
 * while the kernel runs, which uses none of them. A selector may have become bad since the program
 * loaded it, when another thread changed the LDT: so each is looked at before it is loaded, which
 * no interrupt can come between, and a bad one becomes null.
 */
#include "cpu.h"
#include "proc.h"

enum {
	MSR_FS_BASE = (int)0xc0000100,
	MSR_USER_GS_BASE = (int)0xc0000102, /* while in the kernel */
};

#define ACCESS_PRESENT BIT(15)

/* Whether ring 3 may read by it, and it is present: loading it then cannot fault. VERR knows all
 * but the last, and faults never. */
static bool loadable(uint16_t sel)
{
	uint32_t access = 0;
	bool readable;

	if (!(sel & ~3))
		return true;
	__asm__("verr %w1" : "=@ccz"(readable) : "r"(sel | 3));
	__asm__("larl %1, %0" : "+r"(access) : "r"((uint32_t)sel) : "cc");
	return readable && access & ACCESS_PRESENT;
}

static uint16_t checked(uint16_t sel)
{
	return loadable(sel) ? sel : 0;
}

/* GS holds the kernel's base; the program's is the one that SWAPGS brings. An NMI in between does
 * not mind (kaiser/entry/paranoid.inc). */
static void load_gs(uint16_t sel)
{
	uint16_t now;

	__asm__ volatile("movw %%gs, %0" : "=r"(now));
	if ((now | sel) & ~3) /* a null selector's base is set afterwards */
		__asm__ volatile("swapgs\n\tmovl %0, %%gs\n\tswapgs" ::"r"((uint32_t)sel)
				 : "memory");
}

void segments_save(struct task *t)
{
	/* Where FSGSBASE is on, programs change the bases without telling. */
	t->fs_base = rdmsr((uint32_t)MSR_FS_BASE);
	t->gs_base = rdmsr((uint32_t)MSR_USER_GS_BASE);
	__asm__ volatile("movw %%ds, %0" : "=m"(t->user_ds));
	__asm__ volatile("movw %%es, %0" : "=m"(t->user_es));
	__asm__ volatile("movw %%fs, %0" : "=m"(t->user_fs));
	__asm__ volatile("movw %%gs, %0" : "=m"(t->user_gs));
}

void segments_load(struct task *t)
{
	/* Loading a selector replaces the base, so selectors come first. */
	segments_load_data(t->user_ds, t->user_es);
	__asm__ volatile("movw %w0, %%fs" ::"r"(checked(t->user_fs)));
	load_gs(checked(t->user_gs));
	wrmsr((uint32_t)MSR_FS_BASE, t->fs_base);
	wrmsr((uint32_t)MSR_USER_GS_BASE, t->gs_base);
}

void segments_load_data(uint16_t ds, uint16_t es)
{
	__asm__ volatile("movw %w0, %%ds" ::"r"(checked(ds)));
	__asm__ volatile("movw %w0, %%es" ::"r"(checked(es)));
}

/* One that does not change keeps its base, which may be another than its descriptor's. */
void segments_load_fs_gs(uint16_t fs, uint16_t gs)
{
	uint16_t now_fs, now_gs;

	__asm__ volatile("movw %%fs, %0" : "=r"(now_fs));
	__asm__ volatile("movw %%gs, %0" : "=r"(now_gs));
	if (fs != now_fs) {
		__asm__ volatile("movw %w0, %%fs" ::"r"(checked(fs)));
		if (!(checked(fs) & ~3)) /* null clears the base on some CPUs only */
			wrmsr((uint32_t)MSR_FS_BASE, 0);
	}
	if (gs != now_gs) {
		load_gs(checked(gs));
		if (!(checked(gs) & ~3))
			wrmsr((uint32_t)MSR_USER_GS_BASE, 0);
	}
}

void segments_reset(void)
{
	segments_load_data(0, 0);
	__asm__ volatile("movw %w0, %%fs" ::"r"(0));
	load_gs(0);
	wrmsr((uint32_t)MSR_FS_BASE, 0);
	wrmsr((uint32_t)MSR_USER_GS_BASE, 0);
}
