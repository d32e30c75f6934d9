/* SPDX-License-Identifier: MIT */
/* The verdict, and the report for people: ranges, checks, findings, the verdict last. */
#include <stdio.h>
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

#define SHOWN_RANGES   40
#define SHOWN_FINDINGS 6 /* of one check */

const char *severity_name(int severity)
{
	switch (severity) {
	case KAISER_ERROR:
		return "FOUND";
	case KAISER_WARNING:
		return "warning";
	case KAISER_UNKNOWN:
		return "unknown";
	default:
		return "ok";
	}
}

const char *state_of(const struct judgement *j, const char *check)
{
	int worst = judge_worst(j, check);

	return worst == KAISER_UNKNOWN && !judge_asked(j, check) ? "not asked"
								 : severity_name(worst);
}

void cpu_list(const uint64_t *set, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < SOURCE_CPUS && n < size; i++) {
		unsigned last = i;

		if (!(set[i / 64] >> i % 64 & 1))
			continue;
		while (last + 1 < SOURCE_CPUS && (set[(last + 1) / 64] >> (last + 1) % 64 & 1))
			last++;
		n += (size_t)snprintf(buf + n, size - n, last > i ? "%s%u-%u" : "%s%u",
				      n ? "," : "", i, last);
		i = last;
	}
}

void rights_text(unsigned rights, char *buf)
{
	snprintf(buf, 8, "r%c%c%s%s", rights & KAISER_MAY_WRITE ? 'w' : '-',
		 rights & KAISER_MAY_EXEC ? 'x' : '-', rights & KAISER_MAY_USER ? "u" : "",
		 rights & KAISER_IS_GLOBAL ? "g" : "");
}

/* ---- the verdict ---- */

/* Names of the checks whose worst is `severity`; their number. */
static unsigned names_of(const struct judgement *j, int severity, char *buf, size_t size)
{
	const struct kaiser_check *check;
	unsigned found = 0;
	size_t count, n = 0;

	buf[0] = 0;
	check = kaiser_checks(&count);
	for (size_t i = 0; i < count; i++) {
		bool is = judge_worst(j, check[i].name) == severity;

		/* What is unknown matters even where something is found beside it. */
		if (severity == KAISER_UNKNOWN && !judge_asked(j, check[i].name))
			continue;
		for (size_t k = 0; severity == KAISER_UNKNOWN && !is && k < j->records; k++)
			is = j->record[k].severity == severity &&
			     !strcmp(j->record[k].check, check[i].name);
		if (!is || n >= size)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s", found++ ? ", " : "",
				      check[i].name);
	}
	return found;
}

static void append(struct verdict_line *v, const char *before, const char *text)
{
	size_t n = strlen(v->text);

	if (*text)
		snprintf(v->text + n, sizeof(v->text) - n, "%s%s", before, text);
}

/* What was not looked at because nobody asked for what it takes. */
static const char *not_asked(const struct judgement *j)
{
	bool kaslr = judge_asked(j, "kaslr"), residue = judge_asked(j, "residue");

	if (kaslr)
		return residue ? "" : "residue (--samples)";
	return residue ? "kaslr (--boots)" : "kaslr (--boots), residue (--samples)";
}

void verdict_of(struct verdict_line *v, const struct judgement *j, const struct baseline *b,
		const char *missing)
{
	char errors[200], unknown[200], pages[80];
	unsigned bad = names_of(j, KAISER_ERROR, errors, sizeof(errors));
	unsigned dark = names_of(j, KAISER_UNKNOWN, unknown, sizeof(unknown));
	unsigned cpus = 0;

	for (unsigned i = 0; i < SOURCE_CPUS; i++)
		cpus += j->samples[i] != 0;
	snprintf(pages, sizeof(pages), "%lu supervisor pages (%lu KiB) under the user root",
		 j->most.pages, 4 * j->most.pages);
	v->verdict = bad ? VERDICT_FINDINGS : VERDICT_CLEAN;
	if (b->used) {
		v->verdict = b->grown ? VERDICT_FINDINGS : VERDICT_CLEAN;
		if (b->grown)
			snprintf(v->text, sizeof(v->text), "grown since the baseline: %s", b->text);
		else
			snprintf(v->text, sizeof(v->text), "no growth since the baseline: %s",
				 pages);
	} else if (judge_worst(j, "isolated") == KAISER_ERROR) {
		snprintf(v->text, sizeof(v->text), "NOT ISOLATED (isolated): %s", pages);
	} else if (bad) {
		snprintf(v->text, sizeof(v->text), "findings in %s: %s", errors, pages);
	} else {
		snprintf(v->text, sizeof(v->text), "clean: %s, %u CPU%s, %u sample%s", pages, cpus,
			 cpus == 1 ? "" : "s", j->total_samples, j->total_samples == 1 ? "" : "s");
	}
	if (v->verdict == VERDICT_CLEAN && (*missing || (dark && !j->options->accept_unknown))) {
		v->verdict = VERDICT_UNDECIDED;
		snprintf(v->text, sizeof(v->text), "undecided: %s%s%s; nothing found so far: %s",
			 *missing ? missing : "could not be checked wholly: ",
			 *missing ? "" : unknown, "", pages);
	} else if (*missing) {
		append(v, "; ", missing);
	}
	if (v->verdict == VERDICT_CLEAN && !b->used)
		append(v, "; not asked: ", not_asked(j));
}

/* ---- for people ---- */

static void print_size(uint64_t bytes)
{
	if (bytes >> 30 >= 10)
		printf("%8luG", bytes >> 30);
	else if (bytes >> 20 >= 10)
		printf("%8luM", bytes >> 20);
	else
		printf("%8luK", bytes >> 10);
}

static void print_ranges(const struct judgement *j, const struct symbols *s)
{
	size_t shown = 0;
	char rights[8], cpus[64], symbol[96];

	printf("Supervisor memory that user mode's page tables map:\n");
	for (size_t i = 0; i < j->ranges; i++) {
		const struct range *r = &j->range[i];
		const char *why = preset_range(j->options->preset, r->start, r->end, r->rights);

		if (shown++ == SHOWN_RANGES && !j->options->all) {
			printf("  ... and %zu ranges more (--all)\n", j->ranges - i);
			break;
		}
		rights_text(r->rights, rights);
		cpu_list(r->cpu, cpus, sizeof(cpus));
		symbols_name(s, r->start, symbol, sizeof(symbol));
		printf("  0x%016lx-0x%016lx ", r->start, r->end);
		print_size(r->end - r->start);
		printf("  %-4s cpu %-6s %s%s%s", rights, cpus,
		       !*r->name                          ? "-"
		       : strncmp(r->name, "allowed: ", 9) ? "needed: "
							  : "",
		       r->name, *symbol ? " " : "");
		printf("%s%s%s\n", symbol, why ? " # " : "", why ? why : "");
	}
	if (!j->ranges)
		printf("  none\n");
	printf("\n");
}

static void print_record(const struct record *r, const struct symbols *s)
{
	char cpus[64], symbol[96];

	cpu_list(r->cpu, cpus, sizeof(cpus));
	printf("                  %s", r->text);
	if (r->start | r->end)
		printf(", 0x%lx-0x%lx", r->start, r->end);
	symbols_name(s, r->start, symbol, sizeof(symbol));
	if (*symbol)
		printf(" (%s)", symbol);
	if (r->value) {
		symbols_name(s, r->value, symbol, sizeof(symbol));
		printf(": %#lx%s%s", r->value, *symbol ? " " : "", symbol);
	}
	printf(" [cpu %s]\n", cpus);
}

static void print_checks(const struct judgement *j, const struct symbols *s)
{
	size_t count;
	const struct kaiser_check *check = kaiser_checks(&count);

	printf("Checks:\n");
	for (size_t i = 0; i < count; i++) {
		int worst = judge_worst(j, check[i].name);
		const char *why = worst >= KAISER_WARNING
					  ? preset_check(j->options->preset, check[i].name)
					  : NULL;
		unsigned shown = 0, more = 0;

		printf("  %-15s %-9s %s\n", check[i].name, state_of(j, check[i].name),
		       check[i].sentence);
		if (why)
			printf("                  # %s\n", why);
		/* The worst first. */
		for (int severity = worst; severity >= KAISER_INFO; severity--) {
			for (size_t k = 0; k < j->records; k++) {
				const struct record *r = &j->record[k];

				if (strcmp(r->check, check[i].name) || r->severity != severity)
					continue;
				if (shown == SHOWN_FINDINGS && !j->options->all) {
					more++;
					continue;
				}
				shown++;
				print_record(r, s);
			}
		}
		if (more)
			printf("                  ... and %u more (--all)\n", more);
	}
	printf("\n");
}

void report_people(const struct judgement *j, const struct symbols *s, const struct verdict_line *v,
		   const char *explanation)
{
	if (*explanation)
		printf("%s\n", explanation);
	print_ranges(j, s);
	print_checks(j, s);
	for (unsigned i = 0; i < j->source->cpus; i++) {
		const struct source_cpu *c = &j->source->cpu[i];

		if (!j->samples[i])
			continue;
		printf("cpu %u: %u sample%s, user root %#lx, kernel root ", i, j->samples[i],
		       j->samples[i] == 1 ? "" : "s",
		       j->last_cr3[i] & UINT64_C(0x000ffffffffff000));
		if (j->last_kernel_root[i])
			printf("%#lx", j->last_kernel_root[i]);
		else
			printf("not found");
		printf(", %s levels%s\n", c->cr4 >> 12 & 1 ? "5" : "4",
		       j->bits32[i / 64] >> i % 64 & 1 ? ", 32-bit code" : "");
	}
	printf("pages: %lu, %lu writable, %lu executable, %lu both, %lu global\n", j->most.pages,
	       j->most.writable, j->most.executable, j->most.writable_executable, j->most.global);
	if (j->overflow)
		printf("Some findings or ranges are left out: there are too many.\n");
	printf("verdict: %s\n", v->text);
}
