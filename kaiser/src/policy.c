/* SPDX-License-Identifier: MIT */
/* Whether to isolate, and which machines are refused. The reason is always named. */
#include "internal.h"

#define CR4_CET  (1u << 23)
#define CR4_FRED (UINT64_C(1) << 32)

#define MSR_ARCH_CAPABILITIES 0x10a
#define ARCH_CAP_RDCL_NO      (1u << 0)
#define MSR_S_CET             0x6a2
#define S_CET_SHADOW_STACK    (1u << 0)
#define MSR_AMD_SEV           0xc0010131
#define SEV_ES_ACTIVE         (1u << 1)

/* True if the option, n characters at s, is `word`. */
static bool option_is(const char *s, size_t n, const char *word)
{
	size_t i = 0;

	while (i < n && word[i] && s[i] == word[i])
		i++;
	return i == n && !word[i];
}

/* The next option at *s, which moves behind it: its start and length; false at the end or at "--",
 * behind which all is for the first process. */
static bool next_option(const char **s, const char **start, size_t *n)
{
	const char *p = *s;
	bool quoted = false;

	if (!p)
		return false;
	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	*start = p;
	while (*p && (quoted || (*p != ' ' && *p != '\t' && *p != '\n'))) {
		quoted ^= *p == '"';
		p++;
	}
	*n = (size_t)(p - *start);
	*s = p;
	return *n > 0 && !option_is(*start, *n, "--");
}

enum kaiser_mode kaiser_policy_parse(const char *cmdline)
{
	enum kaiser_mode mode = KAISER_AUTO;
	const char *start;
	size_t n;

	while (next_option(&cmdline, &start, &n)) {
		if (option_is(start, n, "pti=auto"))
			mode = KAISER_AUTO;
		else if (option_is(start, n, "pti=on"))
			mode = KAISER_ON;
		else if (option_is(start, n, "pti=off") || option_is(start, n, "nopti"))
			mode = KAISER_OFF;
	}
	return mode;
}

bool kaiser_policy_parse_nopcid(const char *cmdline)
{
	bool found = false;
	const char *start;
	size_t n;

	while (next_option(&cmdline, &start, &n))
		found |= option_is(start, n, "nopcid");
	return found;
}

bool kaiser_cpu_vendor_is(const char name[12])
{
	uint32_t r[4];
	char v[12];

	hw_cpuid(0, 0, r);
	for (unsigned i = 0; i < 4; i++) {
		v[i] = (char)(r[1] >> (8 * i));
		v[4 + i] = (char)(r[3] >> (8 * i));
		v[8 + i] = (char)(r[2] >> (8 * i));
	}
	for (unsigned i = 0; i < 12; i++)
		if (v[i] != name[i])
			return false;
	return true;
}

/* CPUID leaf 7, all zero where there is none. */
static void leaf7(uint32_t r[4])
{
	hw_cpuid(0, 0, r);
	if (r[0] >= 7) {
		hw_cpuid(7, 0, r);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		r[i] = 0;
}

static bool hypervisor_is(const char name[12])
{
	uint32_t r[4];

	hw_cpuid(1, 0, r);
	if (!(r[2] & (1u << 31)))
		return false;
	hw_cpuid(0x40000000, 0, r);
	for (unsigned i = 0; i < 12; i++)
		if ((char)(r[1 + i / 4] >> (8 * (i % 4))) != name[i])
			return false;
	return true;
}

int kaiser_policy_refuse(void)
{
	uint64_t cr4 = hw_read_cr4();
	uint32_t r[4];

	if (cr4 & CR4_FRED)
		return KAISER_E_FRED;
	if ((cr4 & CR4_CET) && (hw_rdmsr(MSR_S_CET) & S_CET_SHADOW_STACK))
		return KAISER_E_SSS;
	hw_cpuid(0, 0, r);
	if (r[0] >= 0x21) {
		hw_cpuid(0x21, 0, r);
		if (r[1] == 0x65746e49 && r[3] == 0x5844546c &&
		    r[2] == 0x20202020) /* "IntelTDX    " */
			return KAISER_E_GUEST;
	}
	hw_cpuid(0x80000000, 0, r);
	if (r[0] >= 0x8000001f) {
		hw_cpuid(0x8000001f, 0, r);
		/* The MSR exists where SEV does; only in a guest does it say that SEV-ES is active.
		 */
		if ((r[0] & 2) && (hw_rdmsr(MSR_AMD_SEV) & SEV_ES_ACTIVE))
			return KAISER_E_GUEST;
	}
	/* A Xen PV kernel does not run at CPL 0, so CS tells it from an HVM or PVH guest. */
	if (hypervisor_is("XenVMMXenVMM") && (hw_read_cs() & 3))
		return KAISER_E_XENPV;
	return KAISER_OK;
}

/* In-order Atoms that never execute a load before its permission check. */
static bool in_order_atom(void)
{
	static const uint8_t models[] = {0x1c, 0x26, 0x27, 0x35, 0x36};
	uint32_t r[4];
	unsigned family, model;

	hw_cpuid(1, 0, r);
	family = r[0] >> 8 & 15;
	model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0);
	if (family != 6)
		return false;
	for (unsigned i = 0; i < sizeof(models); i++)
		if (model == models[i])
			return true;
	return false;
}

/* Sets p->meltdown; returns the clause that says why. */
static const char *affected(struct kaiser_policy *p)
{
	uint32_t r[4];

	p->meltdown = false;
	if (kaiser_cpu_vendor_is("AuthenticAMD") || kaiser_cpu_vendor_is("HygonGenuine"))
		return "AMD and Hygon processors check permissions before they forward data";
	if (kaiser_cpu_vendor_is("GenuineIntel")) {
		if (in_order_atom())
			return "this Atom executes in order";
		leaf7(r);
		if ((r[3] & (1u << 29)) && (hw_rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_CAP_RDCL_NO))
			return "the CPU says RDCL_NO";
		p->meltdown = true;
		return "an Intel CPU that does not say RDCL_NO";
	}
	p->meltdown = true; /* unknown: assume the worst */
	return "a CPU not known to be safe";
}

void kaiser_policy_decide(struct kaiser_policy *p, enum kaiser_mode asked)
{
	const char *why = affected(p);
	uint32_t r[4];

	leaf7(r);
	p->verw = r[3] & (1u << 10);
	p->asked = asked;
	if (asked == KAISER_AUTO) {
		p->isolate = p->meltdown;
		p->reason = why;
	} else {
		p->isolate = asked == KAISER_ON;
		p->reason = asked == KAISER_ON ? "asked for on the command line"
					       : "switched off on the command line";
	}
}
