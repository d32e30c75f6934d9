/* SPDX-License-Identifier: MIT */
/* What the CPU can do, from CPUID alone, and the control register bits that follow from it. The
 * boot CPU decides; another CPU must have at least what the boot CPU has, but each asks its own
 * CPUID before it sets a bit. */
#include "apic.h"
#include "cpu.h"

enum { EAX, EBX, ECX, EDX };

static const struct {
	uint32_t leaf;
	uint8_t reg, bit;
} where[CPU_FEATURES] = {
	[CPU_NX] = {0x80000001, EDX, 20},
	[CPU_SMEP] = {7, EBX, 7},
	[CPU_SMAP] = {7, EBX, 20},
	[CPU_UMIP] = {7, ECX, 2},
	[CPU_FSGSBASE] = {7, EBX, 0},
	[CPU_XSAVE] = {1, ECX, 26},
	[CPU_X2APIC] = {1, ECX, 21},
	[CPU_PGE] = {1, EDX, 13},
	[CPU_PAGE1G] = {0x80000001, EDX, 26},
	[CPU_RDRAND] = {1, ECX, 30},
	[CPU_RDSEED] = {7, EBX, 18},
	[CPU_TSC_DEADLINE] = {1, ECX, 24},
	[CPU_LA57] = {7, ECX, 16},
	[CPU_INVARIANT_TSC] = {0x80000007, EDX, 8},
};

enum {
	CR0_MP = 1 << 1,
	CR0_EM = 1 << 2,
	CR0_TS = 1 << 3,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR0_NW = 1 << 29,
	CR0_CD = 1 << 30,

	CR4_TSD = 1 << 2,
	CR4_PAE = 1 << 5,
	CR4_MCE = 1 << 6,
	CR4_PGE = 1 << 7,
	CR4_PCE = 1 << 8,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_LA57 = 1 << 12,
	CR4_FSGSBASE = 1 << 16,
	CR4_PCIDE = 1 << 17,
	CR4_OSXSAVE = 1 << 18,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,

	EFER_SCE = 1 << 0,
	EFER_NXE = 1 << 11,
	XCR0_X87 = 1,
	XCR0_SSE = 2,
	XCR0_AVX = 4,
};

char cpu_vendor[13];
static uint32_t features HOT_DATA; /* of the boot CPU, a bit each */
static bool decided;

static uint32_t read_features(void)
{
	uint32_t r[4], found = 0;
	for (unsigned f = 0; f < CPU_FEATURES; f++) {
		cpuid(where[f].leaf & 0x80000000, 0, r);
		if (r[EAX] < where[f].leaf)
			continue;
		cpuid(where[f].leaf, 0, r);
		if (r[where[f].reg] & BIT(where[f].bit))
			found |= 1U << f;
	}
	return found;
}

bool cpu_has(enum cpu_feature f)
{
	return features & 1U << f;
}

static void set_xcr0(uint32_t ecx1)
{
	uint32_t r[4], want = XCR0_X87 | XCR0_SSE | ((ecx1 & BIT(28)) ? XCR0_AVX : 0);
	cpuid(0xd, 0, r);
	want &= r[EAX];
	__asm__ volatile("xsetbv" ::"c"(0), "a"(want), "d"(0));
}

void cpu_features_init(void)
{
	uint32_t one[4], r[4], mine = read_features();
	cpuid(1, 0, one);
	if (!decided) {
		cpuid(0, 0, r);
		memcpy(cpu_vendor, &r[EBX], 4);
		memcpy(cpu_vendor + 4, &r[EDX], 4);
		memcpy(cpu_vendor + 8, &r[ECX], 4);
		features = mine;
		decided = true;
	}
	mine &= features;

	uint64_t cr0;
	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	cr0 &= ~(uint64_t)(CR0_EM | CR0_TS | CR0_NW | CR0_CD);
	cr0 |= CR0_MP | CR0_NE | CR0_WP;
	__asm__ volatile("movq %0, %%cr0" ::"r"(cr0) : "memory");

	/* Kept: what chooses the form of the page tables. Everything else is set afresh, so that
	 * no bit is left over from the firmware. */
	uint64_t cr4;
	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	cr4 &= CR4_LA57 | CR4_PCIDE;
	cr4 |= CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	cr4 |= (one[EDX] & BIT(7)) ? CR4_MCE : 0;
	cr4 |= (mine & 1U << CPU_PGE) ? CR4_PGE : 0;
	cr4 |= (mine & 1U << CPU_UMIP) ? CR4_UMIP : 0;
	cr4 |= (mine & 1U << CPU_FSGSBASE) ? CR4_FSGSBASE : 0;
	cr4 |= (mine & 1U << CPU_XSAVE) ? CR4_OSXSAVE : 0;
	cr4 |= (mine & 1U << CPU_SMEP) ? CR4_SMEP : 0;
	cr4 |= (mine & 1U << CPU_SMAP) ? CR4_SMAP : 0;
	__asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
	if (mine & 1U << CPU_SMAP)
		__asm__ volatile("clac" ::: "memory");
	if (mine & 1U << CPU_XSAVE)
		set_xcr0(one[ECX]);

	uint64_t efer = rdmsr(MSR_EFER) | EFER_SCE;
	if (mine & 1U << CPU_NX)
		efer |= EFER_NXE;
	wrmsr(MSR_EFER, efer);
}
