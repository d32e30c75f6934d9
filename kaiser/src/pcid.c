/* SPDX-License-Identifier: MIT */
/*
 * Whether PCID is used, and switching it on: SDM volume 3, 4.10.1. One decision for all CPUs, since
 * the gate text is shared and a CR3 write with bit 63 faults where CR4.PCIDE is clear.
 */
#include "internal.h"

#define CPUID1_ECX_PCID    (1u << 17)
#define CPUID1_EDX_PGE     (1u << 13)
#define CPUID7_EBX_INVPCID (1u << 10)
#define MSR_MICROCODE      0x8b

bool kaiser_cpu_has_pge(void)
{
	uint32_t r[4];

	hw_cpuid(1, 0, r);
	return r[3] & CPUID1_EDX_PGE;
}

static bool has_pcid(void)
{
	uint32_t r[4];

	hw_cpuid(1, 0, r);
	return r[2] & CPUID1_ECX_PCID;
}

static bool has_invpcid(void)
{
	uint32_t r[4];

	hw_cpuid(0, 0, r);
	if (r[0] < 7)
		return false;
	hw_cpuid(7, 0, r);
	return r[1] & CPUID7_EBX_INVPCID;
}

/* With PCID, INVLPG leaves some global translations on these (errata ADL063, RPL042), unless the
 * microcode is at least this new. Nothing of ours is global; the host's tables may be. A hypervisor
 * that hides the revision reports 0 or so, which counts as old. */
static bool invlpg_misses(void)
{
	static const struct {
		uint8_t model;
		uint32_t fixed;
	} affected[] = {
		{0x97, 0x2e},   /* Alder Lake */
		{0x9a, 0x42c},  /* Alder Lake, mobile */
		{0xbe, 0x11},   /* Gracemont (Alder Lake N) */
		{0xb7, 0x118},  /* Raptor Lake */
		{0xba, 0x4117}, /* Raptor Lake P */
		{0xbf, 0x2e},   /* Raptor Lake S */
	};
	uint32_t r[4];
	unsigned model;

	if (!kaiser_cpu_vendor_is("GenuineIntel"))
		return false;
	hw_cpuid(1, 0, r);
	model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0);
	if ((r[0] >> 8 & 15) != 6)
		return false;
	for (unsigned i = 0; i < sizeof(affected) / sizeof(affected[0]); i++) {
		if (model != affected[i].model)
			continue;
		/* CPUID leaf 1 after writing 0 puts the revision in the upper half. */
		hw_wrmsr(MSR_MICROCODE, 0);
		hw_cpuid(1, 0, r);
		return hw_rdmsr(MSR_MICROCODE) >> 32 < affected[i].fixed;
	}
	return false;
}

void kaiser_pcid_decide(struct kaiser_policy *p, bool refused)
{
	p->pcid = p->invpcid = false;
	if (!has_pcid())
		p->pcid_reason = "the CPU has none";
	else if (!kaiser_cpu_has_pge())
		p->pcid_reason = "the CPU lacks PGE, without which not all can be flushed";
	else if (invlpg_misses())
		p->pcid_reason = "with it this CPU's INVLPG leaves translations (erratum), until a "
				 "microcode update";
	else if (refused)
		p->pcid_reason = "switched off on the command line";
	else
		p->pcid = true;
	if (!p->pcid)
		return;
	p->invpcid = has_invpcid();
	p->pcid_reason = p->invpcid ? "with INVPCID" : "the CPU has no INVPCID, and none is needed";
}

/* CR4.PCIDE may be set only while CR3[11:0] is 0: #GP otherwise. */
int kaiser_pcid_enter(const struct kaiser *k)
{
	uint64_t cr3 = hw_read_cr3(), cr4 = hw_read_cr4();

	if (!k->policy.pcid)
		return KAISER_OK;
	if (!has_pcid() || !kaiser_cpu_has_pge() || (k->policy.invpcid && !has_invpcid()))
		return KAISER_E_PCID;
	if (cr4 & CR4_PCIDE)
		return KAISER_OK;
	if (cr3 & KAISER_PCID_MASK)
		hw_write_cr3(cr3 & ~(uint64_t)KAISER_PCID_MASK);
	hw_write_cr4(cr4 | CR4_PCIDE);
	return KAISER_OK;
}

/* CR3 holds a table of the host's, under PCID 0. Clearing the bit flushes all of every PCID. */
void kaiser_pcid_leave(const struct kaiser *k)
{
	if (k->policy.pcid)
		hw_write_cr4(hw_read_cr4() & ~(uint64_t)CR4_PCIDE);
}
