/* SPDX-License-Identifier: MIT */
/*
 * Reads what Bochs' debugger prints under `trace on` and `trace-mem on`, with breakpoints at the C
 * code's CR3 and CR4 writes and invalidations at each of which `r` shows the registers; follows it
 * (follow.h), and counts what happens between marks. Nothing is kept. See run.sh for how it is fed.
 *
 *	(0).[time] [0xPHYS] CS:RIP (ctxt): instruction ; bytes
 *	[CPU0 RD]: LIN 0x... PHY 0x... (len=8, WB): words, the most significant first
 *	[CPU0 RD]: PHY 0x... (len=8, WB): words ; PML4E		(a step of a page walk)
 *	rax: 00000000_00000000					(after a breakpoint)
 *
 * The gates' CR3 writes have no breakpoint: there the value comes from CR3 by bit operations, or
 *from memory, which the trace shows; so registers are followed from one to the next.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "follow.h"

#define REGS 16

static const char *const reg_names[REGS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp",
					    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

struct regs {
	uint64_t v[REGS], age[REGS]; /* instruction in which it was set; 0: not known */
	int load;                    /* register that this instruction's read fills; -1: none */
};

struct range {
	uint64_t start, end;
	char kind; /* d: its RET ends a flush; l: lazy; s: a switch; i: sends an IPI (its start) */
};

static struct regs regs[TRACE_CPUS];
static uint64_t shown[TRACE_CPUS][REGS]; /* by `r`, of every CPU at each breakpoint */
static bool fresh[TRACE_CPUS];           /* until its next instruction */
static unsigned showing;                 /* the CPU that `r` speaks of */
static struct range ranges[64];
static unsigned nranges;
static uint64_t limit = UINT64_MAX;
static uint64_t lines, blind; /* CR3 writes whose value is not known */

/* ---- small parsing ---- */

static uint64_t hex(const char **p)
{
	uint64_t v = 0;

	for (;; ++*p) {
		unsigned d = (unsigned char)**p;
		if (d - '0' < 10)
			d -= '0';
		else if ((d | 32) - 'a' < 6)
			d = (d | 32) - 'a' + 10;
		else if (d == '_')
			continue;
		else
			return v;
		v = v << 4 | d;
	}
}

static int reg_named(const char *s, size_t n)
{
	if (n == 3 && s[0] == 'e') /* INVPCID's is named so, and is the whole register */
		for (int i = 0; i < 8; i++)
			if (!memcmp(reg_names[i] + 1, s + 1, 2))
				return i;
	if (n > 2 && s[0] == 'r' && s[n - 1] == 'd')
		n--;
	for (int i = 0; i < REGS; i++)
		if (strlen(reg_names[i]) == n && !memcmp(reg_names[i], s, n))
			return i;
	return -1;
}

static size_t word(const char *s)
{
	return strcspn(s, " ,;");
}

/* ---- marks: nopl 0x4b410000 + id (%rax); 1 starts, 2 stops and names the count ---- */

struct mark {
	bool on;
	struct counts at;
};
static struct mark marks[TRACE_CPUS];

static void sum(struct counts *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < f.cpus; i++) {
		const uint64_t *a = (const uint64_t *)&f.cpu[i].n;
		for (unsigned k = 0; k < sizeof(*t) / 8; k++)
			((uint64_t *)t)[k] += a[k];
	}
}

static void mark(struct cpu *c, unsigned id)
{
	struct mark *m = &marks[c - f.cpu];
	struct counts now;

	sum(&now);
	if (id == 1) {
		m->on = true;
		m->at = now;
	} else if (m->on) {
		m->on = false;
		printf("MARK %u insns %" PRIu64 " cr3 %" PRIu64 " flushing %" PRIu64
		       " invlpg %" PRIu64 " invpcid %" PRIu64 " ipis %" PRIu64 " kernel %" PRIu64
		       "\n",
		       id, now.insns - m->at.insns, now.cr3 - m->at.cr3,
		       now.cr3 - m->at.cr3 - (now.cr3_kept - m->at.cr3_kept),
		       now.invlpg - m->at.invlpg, now.invpcid - m->at.invpcid,
		       now.ipis - m->at.ipis, now.kernel - m->at.kernel);
	}
}

/* ---- instructions ---- */

static bool reg_value(unsigned cpu, int r, uint64_t *v)
{
	const struct regs *g = &regs[cpu];

	if (!g->age[r] || f.cpu[cpu].n.insns - g->age[r] > 24)
		return false;
	*v = g->v[r];
	return true;
}

static void set_reg(unsigned cpu, int r, uint64_t v)
{
	regs[cpu].v[r] = v;
	regs[cpu].age[r] = f.cpu[cpu].n.insns;
}

static void write_cr(unsigned cpu, char which, const char *reg)
{
	struct cpu *c = &f.cpu[cpu];
	int r = reg_named(reg, word(reg));
	uint64_t v = 0;

	if (r < 0 || !reg_value(cpu, r, &v)) {
		blind++;
		if (which == '3')
			follow_cr3_unknown(c);
		return;
	}
	if (which == '3')
		follow_cr3(c, v);
	else
		follow_cr4(c, v);
}

/* What it does to registers, as far as the gates need it. */
static void follow_regs(unsigned cpu, const char *t)
{
	struct regs *g = &regs[cpu];
	size_t n = word(t), m;
	const char *op = t + n + 1, *src;
	uint64_t v;
	int r, from;

	g->load = -1;
	if (!t[n])
		return;
	m = word(op);
	r = reg_named(op, m);
	if (r < 0 || op[m] != ',')
		return;
	if (op[0] == 'e' || op[m - 1] == 'd') {
		g->age[r] = 0;
		return;
	}
	src = op + m + 2;
	if (n == 3 && (!memcmp(t, "cmp", 3)))
		return;
	if (n == 4 && !memcmp(t, "test", 4))
		return;
	if (n == 3 && !memcmp(t, "mov", 3)) {
		if (!strncmp(src, "cr3", 3)) {
			set_reg(cpu, r, f.cpu[cpu].tlb.cr3);
			return;
		}
		from = reg_named(src, word(src));
		g->age[r] = 0;
		if (from >= 0 && reg_value(cpu, from, &v))
			set_reg(cpu, r, v);
		else if (!strncmp(src, "qword ptr", 9))
			g->load = r;
		return;
	}
	if ((!memcmp(t, "btr ", 4) || !memcmp(t, "bts ", 4)) && reg_value(cpu, r, &v)) {
		uint64_t bit = UINT64_C(1) << (strtoul(src, NULL, 16) & 63);
		set_reg(cpu, r, t[2] == 's' ? v | bit : v & ~bit);
		return;
	}
	if (!memcmp(t, "bt ", 3))
		return;
	if ((!memcmp(t, "or ", 3) || !memcmp(t, "and ", 4)) && !strncmp(src, "0x", 2) &&
	    reg_value(cpu, r, &v)) {
		uint64_t mask = strtoull(src, NULL, 16);
		set_reg(cpu, r, t[0] == 'o' ? v | mask : v & mask);
		return;
	}
	if (!memcmp(t, "add ", 4) && !strncmp(src, "0x", 2) && reg_value(cpu, r, &v)) {
		set_reg(cpu, r, v + strtoul(src, NULL, 16)); /* a loop of INVLPGs */
		return;
	}
	g->age[r] = 0;
}

static uint64_t descriptor[2]; /* the last 16 bytes read */
static struct cpu *invpcid_of;
static uint64_t invpcid_type;

static void finish(struct cpu *c)
{
	if (invpcid_of == c) {
		follow_invpcid(c, invpcid_type, descriptor[0], descriptor[1]);
		invpcid_of = NULL;
	}
}

/* The address of invlpg's operand: one register, as compilers make it. */
static bool invlpg_address(unsigned cpu, const char *t, uint64_t *va)
{
	const char *b = strchr(t, '[');
	int r;

	if (!b)
		return false;
	b++;
	r = reg_named(b, strcspn(b, "]+-"));
	return r >= 0 && b[strcspn(b, "]+-")] == ']' && reg_value(cpu, r, va);
}

static void execute(unsigned cpu, uint64_t pa, uint64_t rip, const char *t)
{
	struct cpu *c = &f.cpu[cpu];
	uint64_t va;

	c->n.insns++;
	c->n.kernel += rip >> 63;
	c->rip = rip;
	for (int i = 0; fresh[cpu] && i < REGS; i++)
		set_reg(cpu, i, shown[cpu][i]);
	follow_access(c, rip, pa, "fetch");
	if (!memcmp(t, "mov cr3,", 8) || !memcmp(t, "mov cr4,", 8)) {
		write_cr(cpu, t[6], t + 9);
	} else if (!memcmp(t, "invlpg", 6)) {
		c->n.invlpg++;
		if (invlpg_address(cpu, t, &va)) {
			tlb_invlpg(&c->tlb, va);
		} else {
			blind++;
		}
	} else if (!memcmp(t, "invpcid", 7)) {
		const char *op = t + 8;
		int r = reg_named(op, word(op));
		if (r >= 0 && reg_value(cpu, r, &invpcid_type)) {
			invpcid_of = c;
		} else {
			blind++;
		}
	} else {
		follow_regs(cpu, t);
	}
	for (unsigned i = 0; i < nranges; i++) {
		const struct range *g = &ranges[i];
		if (rip < g->start || rip >= g->end)
			continue;
		if (g->kind == 'i')
			c->n.ipis += rip == g->start;
		else if (!memcmp(t, "ret", 3)) {
			if (g->kind != 'd')
				c->lazy = g->kind == 'l';
			if (g->kind != 'l')
				follow_done(c);
		}
	}
	fresh[cpu] = false;
}

/* ---- lines ---- */

/* "(0).[time] [0xPHYS] CS:RIP (ctxt): text ; bytes" */
static void insn_line(char *s)
{
	const char *p = s + 1;
	unsigned cpu = (unsigned)(*p - '0');
	uint64_t pa, rip, time;
	struct cpu *c;
	char *t, *end;
	const char *bytes = "";

	if (cpu >= TRACE_CPUS)
		return;
	c = &f.cpu[cpu];
	if (cpu >= f.cpus)
		f.cpus = cpu + 1;
	p = strchr(p, '[');
	time = strtoull(p + 1, NULL, 10);
	p = strstr(p, "[0x");
	if (!p)
		return;
	p += 3;
	pa = hex(&p);
	p = strchr(p, ':');
	if (!p)
		return;
	p++;
	rip = hex(&p);
	t = strstr(p, "): ");
	if (!t)
		return;
	t += 3;
	end = strchr(t, ';');
	if (end)
		bytes = end + 2;
	while (end && end > t && end[-1] == ' ')
		end--;
	if (end)
		*end = 0;
	if (end && !strncmp(bytes, "0f1f80", 6) && !strncmp(bytes + 10, "414b", 4))
		mark(c, (unsigned)strtoul((char[]){bytes[8], bytes[9], bytes[6], bytes[7], 0}, NULL,
					  16));
	finish(c);
	c->time = time;
	snprintf(c->text, sizeof(c->text), "%s", t);
	execute(cpu, pa, rip, t);
}

static unsigned read_words(const char *p, unsigned bytes, uint32_t *words)
{
	unsigned n = (bytes + 3) / 4;

	if (n > 16)
		return 0;
	for (unsigned i = n; i-- > 0;) {
		p = strstr(p, "0x");
		if (!p)
			return 0;
		p += 2;
		words[i] = (uint32_t)hex(&p);
	}
	return n;
}

static int walk_level(const char *s)
{
	if (!strncmp(s, "PML4E", 5))
		return 3;
	if (!strncmp(s, "PDPTE", 5))
		return 2;
	if (!strncmp(s, "PDE", 3))
		return 1;
	if (!strncmp(s, "PTE", 3))
		return 0;
	return -1;
}

/* "[CPU0 RD]: LIN 0x... PHY 0x... (len=8, WB): words", LIN or "; PTE" perhaps */
static void mem_line(const char *s)
{
	unsigned cpu = (unsigned)(s[4] - '0'), bytes;
	bool write = s[6] == 'W', linear = s[11] == 'L';
	const char *p = strstr(s, "0x"), *w, *comment;
	uint64_t va = 0, pa;
	uint32_t words[16];
	struct cpu *c;
	unsigned n;

	if (cpu >= TRACE_CPUS || !p)
		return;
	c = &f.cpu[cpu];
	p += 2;
	if (linear) {
		va = hex(&p);
		p = strstr(p, "0x");
		if (!p)
			return;
		p += 2;
	}
	pa = hex(&p);
	p = strstr(p, "len=");
	if (!p)
		return;
	bytes = (unsigned)strtoul(p + 4, NULL, 10);
	w = strstr(p, "): ");
	n = w ? read_words(w, bytes, words) : 0;
	comment = strchr(p, ';');
	if (comment && n == 2 && walk_level(comment + 2) >= 0) {
		uint64_t v = (uint64_t)words[1] << 32 | words[0];
		if (write)
			follow_write(c, pa, 8, words);
		else
			follow_walk(c, (unsigned)walk_level(comment + 2), pa, v);
		return;
	}
	if (linear)
		follow_access(c, va, pa, write ? "write" : "read");
	if (linear && !write && bytes == 8 && n == 2 && regs[cpu].load >= 0) {
		set_reg(cpu, regs[cpu].load, (uint64_t)words[1] << 32 | words[0]);
		regs[cpu].load = -1;
	}
	if (linear && !write && bytes == 16 && n == 4) {
		descriptor[0] = (uint64_t)words[1] << 32 | words[0];
		descriptor[1] = (uint64_t)words[3] << 32 | words[2];
	}
	if (write && n && s[7] != 'W')
		follow_write(c, pa, bytes, words);
}

static void reg_line(const char *s)
{
	int r = reg_named(s, strcspn(s, ": "));
	const char *p = strchr(s, ':');

	if (r < 0 || !p)
		return;
	p += 2;
	shown[showing][r] = hex(&p);
	fresh[showing] = true;
}

static bool read_ranges(const char *path)
{
	FILE *in = fopen(path, "r");

	if (!in) {
		perror(path);
		return false;
	}
	while (nranges < 64 && fscanf(in, " %c %" SCNx64 " %" SCNx64, &ranges[nranges].kind,
				      &ranges[nranges].start, &ranges[nranges].end) == 3)
		nranges++;
	fclose(in);
	return true;
}

static int report(void)
{
	struct counts t;

	sum(&t);
	printf("instructions %" PRIu64 " on %u CPUs, accesses %" PRIu64 ", walk steps %" PRIu64
	       "\n",
	       t.insns, f.cpus, t.accesses, t.walks);
	printf("CR3 writes %" PRIu64 ", with NOFLUSH %" PRIu64 ", of user roots %" PRIu64
	       "; INVLPG %" PRIu64 ", INVPCID %" PRIu64 ", IPIs %" PRIu64 "\n",
	       t.cr3, t.cr3_kept, t.user_roots, t.invlpg, t.invpcid, t.ipis);
	printf("entries taken back %" PRIu64 ", looks at all a CPU could use %" PRIu64
	       ", excused %" PRIu64 "\n",
	       f.changes, f.checks, f.excused);
	printf("not seen: values of CR3 and the like %" PRIu64 ", writes of entries %" PRIu64 "\n",
	       blind, f.unseen);
	printf("stale uses %" PRIu64 " (access %" PRIu64 ", load %" PRIu64 ", flush %" PRIu64 ")\n",
	       f.stale, f.stale_access, f.stale_load, f.stale_flush);
	return f.stale ? 1 : 0;
}

int main(int argc, char **argv)
{
	static char line[1024];
	bool on = false;

	if (argc != 3 || !read_ranges(argv[1])) {
		fprintf(stderr, "usage: trace RANGES INSTRUCTIONS <bochs-output\n");
		return 2;
	}
	limit = strtoull(argv[2], NULL, 0);
	f.reports = 20;
	for (unsigned i = 0; i < TRACE_CPUS; i++)
		tlb_init(&f.cpu[i].tlb);
	while (fgets(line, sizeof(line), stdin)) {
		struct counts t;
		if (line[0] == '(' && line[2] == ')' && line[3] == '.') {
			insn_line(line);
			on = true;
		} else if (on && !memcmp(line, "[CPU", 4)) {
			mem_line(line);
		} else if (line[0] == 'r') {
			reg_line(line);
		} else if (!memcmp(line, "CPU", 3) && line[4] == ':') {
			showing = (unsigned)(line[3] - '0') % TRACE_CPUS;
		} else if (!on && !memcmp(line, "CR4=0x", 6)) {
			const char *p = line + 6;
			uint64_t cr4 = hex(&p);
			for (unsigned i = 0; i < TRACE_CPUS; i++)
				f.cpu[i].tlb.cr4 = cr4;
		}
		if ((++lines & 0xffff) == 0) {
			sum(&t);
			if (t.insns >= limit)
				break;
		}
	}
	return report();
}
