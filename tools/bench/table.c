/* SPDX-License-Identifier: MIT */
/* The report for people: a line an operation, this kernel beside the peer, and their ratio. */
#include <string.h>

#include "bench.h"

static const struct op_result *of(const struct report *r, unsigned guest, unsigned op)
{
	return guest < r->guests ? &r->guest[guest].op[op] : NULL;
}

static void pair(FILE *to, const struct op_result *a, const struct op_result *b, enum number n,
		 int width)
{
	fprintf(to, " %*lu", width, a->median.n[n]);
	if (!b)
		return;
	if (b->measured)
		fprintf(to, "/%-*lu", width, b->median.n[n]);
	else
		fprintf(to, "/%-*s", width, "-");
}

static void line(const struct report *r, FILE *to, unsigned op, unsigned second)
{
	const struct op_result *a = of(r, 0, op), *b = of(r, second, op);

	if (!a->measured && (!b || !b->measured) && !a->absent && !a->overflow)
		return;
	fprintf(to, "%-15s", op_text[op].name);
	if (!a->measured) {
		fprintf(to, " %s\n", a->overflow ? "too long to be recorded" : "not there");
		return;
	}
	fprintf(to, " %7lu", a->median.n[N_INSNS]);
	if (b && b->measured)
		fprintf(to, " %7lu %5.2f", b->median.n[N_INSNS],
			b->median.n[N_INSNS]
				? (double)a->median.n[N_INSNS] / (double)b->median.n[N_INSNS]
				: 0.0);
	else if (b)
		fprintf(to, " %7s %5s", "-", "-");
	pair(to, a, b, N_CR3, 2);
	pair(to, a, b, N_IPAGES, 3);
	pair(to, a, b, N_DPAGES, 3);
	pair(to, a, b, N_ILINES, 4);
	pair(to, a, b, N_DLINES, 4);
	fprintf(to, " %7lu", a->cycles[0]);
	if (b)
		fprintf(to, "/%-7lu", b->cycles[0]);
	fprintf(to, " %7lu", a->cycles[1]);
	if (b)
		fprintf(to, "/%-7lu", b->cycles[1]);
	fputc('\n', to);
}

static void heads(FILE *to, bool two)
{
	if (two)
		fprintf(to, "%-15s %7s %7s %5s %-6s %-8s %-8s %-10s %-10s %-15s %s\n", "operation",
			"instr.", "other", "ratio", "CR3", "c.pages", "d.pages", "code lines",
			"data lines", "cycles*, no PCID", "with PCID");
	else
		fprintf(to, "%-15s %7s %3s %3s %3s %4s %4s %7s %7s\n", "operation", "instr.", "CR3",
			"cpg", "dpg", "cln", "dln", "cycles*", "w. PCID");
}

static void about(FILE *to, const struct guest_result *g)
{
	const char *base = strrchr(g->config.kernel, '/');

	fprintf(to, "%s: %s, pti=%s, %u CPU%s, %s", g->config.name,
		base ? base + 1 : g->config.kernel, g->config.pti ? "on" : "off", g->config.cpus,
		g->config.cpus == 1 ? "" : "s", g->config.cpu);
	if (g->config.procs)
		fprintf(to, ", %u sleeping processes", g->config.procs);
	if (g->totals_known)
		fprintf(to, "; under user mode's root %lu supervisor pages, %lu writable",
			g->supervisor_pages, g->supervisor_writable);
	fputc('\n', to);
}

static void gates(const struct report *r, FILE *to)
{
	const uint64_t *n = r->guest[0].op[OP_getppid].median.n;

	if (n[N_GATE_IN])
		fprintf(to,
			"\nlibkaiser's part of getppid: %lu instructions from the gate to the "
			"first one "
			"of the host's C, %lu from its last one to user mode, %lu in all\n",
			n[N_GATE_IN], n[N_GATE_OUT], n[N_GATE_IN] + n[N_GATE_OUT]);
}

void bench_table(const struct report *r, FILE *to)
{
	for (unsigned i = 0; i < r->guests; i++)
		about(to, &r->guest[i]);
	for (unsigned second = 1; second < r->guests || second == 1; second++) {
		fprintf(to, "\n");
		if (second < r->guests)
			fprintf(to, "%s / %s\n", r->guest[0].config.name,
				r->guest[second].config.name);
		heads(to, second < r->guests);
		for (unsigned op = 0; op < OPS; op++)
			line(r, to, op, second);
	}
	gates(r, to);
	fprintf(to, "\nA REP instruction counts once. Pages and lines count by root. "
		    "*: a model, not a measurement (--show-costs).\n");
}
