/* SPDX-License-Identifier: MIT */
/*
 * Bars for print: of each operation this kernel's work as a part of the peer's, which is 100 %. One
 * group of three bars an operation: instructions, code pages, data pages; a line marks a third.
 */
#include <stdio.h>

#include "bench.h"

#define WIDTH 980
#define LEFT  190
#define SPAN  600 /* of 100 % */
#define BAR   11
#define GROUP (3 * BAR + 16)
#define TOP   92

static const struct {
	enum number n;
	const char *name, *colour;
} bar[] = {
	{N_INSNS, "instructions", "#1f3b4d"},
	{N_IPAGES, "pages of code", "#6a8fa7"},
	{N_DPAGES, "pages of data", "#c2d3dd"},
};

static bool shown(const struct report *r, unsigned op)
{
	return op != OP_empty && r->guest[0].op[op].measured && r->guests > 1 &&
	       r->guest[1].op[op].measured && r->guest[1].op[op].median.n[N_INSNS];
}

static void group(FILE *f, const struct report *r, unsigned op, unsigned y)
{
	const uint64_t *a = r->guest[0].op[op].median.n, *b = r->guest[1].op[op].median.n;

	fprintf(f, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\" font-size=\"13\">%s</text>\n",
		LEFT - 12, y + 2 * BAR - 1, op_text[op].name);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t mine = a[bar[i].n], other = b[bar[i].n] ? b[bar[i].n] : 1;
		double part = (double)mine / (double)other, width = part * SPAN;
		unsigned at = y + i * BAR;

		if (width > SPAN + 40)
			width = SPAN + 40;
		fprintf(f,
			"<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\" "
			"stroke=\"#1f3b4d\" stroke-width=\"0.6\"><title>%s: %lu of "
			"%lu</title></rect>"
			"<text x=\"%.1f\" y=\"%u\" font-size=\"10\">%lu of %lu</text>\n",
			LEFT, at, width, BAR - 1, bar[i].colour, bar[i].name, mine, other,
			LEFT + width + 5, at + BAR - 2, mine, other);
	}
}

static void scale(FILE *f, unsigned bottom)
{
	static const struct {
		double part;
		const char *text;
	} tick[] = {{0, "0"}, {1.0 / 3, "one third"}, {1, "the peer: 100 %"}};

	for (unsigned i = 0; i < 3; i++) {
		double x = LEFT + tick[i].part * SPAN;

		fprintf(f,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%u\" stroke=\"#888888\" "
			"stroke-dasharray=\"%s\"/><text x=\"%.1f\" y=\"%d\" font-size=\"11\" "
			"text-anchor=\"middle\">%s</text>\n",
			x, TOP - 10, x, bottom, i ? "4 3" : "none", x, TOP - 14, tick[i].text);
	}
}

int bench_svg(const struct report *r, const char *path)
{
	unsigned groups = 0, y = TOP, x = LEFT, bottom;
	FILE *f = fopen(path, "w");
	bool bad;

	if (!f)
		return -1;
	for (unsigned op = 0; op < OPS; op++)
		groups += shown(r, op);
	bottom = TOP + groups * GROUP;
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		"viewBox=\"0 0 %d %u\" font-family=\"sans-serif\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"20\" y=\"28\" font-size=\"17\" font-weight=\"bold\">What an operation "
		"costs "
		"in the kernel, as a part of what it costs the peer</text>\n",
		WIDTH, bottom + 24, WIDTH, bottom + 24);
	for (unsigned i = 0; i < 3; i++, x += 130)
		fprintf(f,
			"<rect x=\"%u\" y=\"42\" width=\"14\" height=\"11\" fill=\"%s\" "
			"stroke=\"#1f3b4d\" stroke-width=\"0.6\"/><text x=\"%u\" y=\"52\" "
			"font-size=\"12\">%s</text>\n",
			x, bar[i].colour, x + 20, bar[i].name);
	scale(f, bottom);
	for (unsigned op = 0; op < OPS; op++) {
		if (!shown(r, op))
			continue;
		group(f, r, op, y);
		y += GROUP;
	}
	if (!groups)
		fprintf(f, "<text x=\"%d\" y=\"%u\">nothing to compare</text>\n", LEFT, TOP + 14);
	fprintf(f, "</svg>\n");
	bad = ferror(f);
	return fclose(f) || bad ? -1 : 0;
}
