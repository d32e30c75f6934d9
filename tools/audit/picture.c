/* SPDX-License-Identifier: MIT */
/*
 * A picture of the kernel's half of the address space: what the kernel's root maps, in regions, and
 * beside each region what of it user mode's root maps. Heights of regions are logarithms; a range
 * that is visible is one line, however small. Hovering explains it. --html puts it into a page.
 */
#include <stdio.h>
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

#define WIDTH  1100
#define LEFT   20 /* the kernel's root */
#define COLUMN 330
#define RIGHT  (LEFT + COLUMN + 30) /* user mode's */
#define LINE   15
#define LINES  24 /* of one region */

static void put_escaped(FILE *f, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*text, f);
		}
	}
}

static void human(uint64_t bytes, char *buf, size_t size)
{
	static const char unit[] = "KMGT";
	unsigned u = 0;

	for (bytes >>= 10; bytes >= 10240 && u < 3; u++)
		bytes >>= 10;
	snprintf(buf, size, "%lu %ciB", bytes, unit[u]);
}

static const char *colour(const struct range *r)
{
	if (r->rights & KAISER_MAY_USER)
		return "#b00000";
	if (*r->name)
		return "#3a7d44"; /* needed or allowed */
	if (r->rights & KAISER_MAY_WRITE)
		return "#d1495b";
	return r->rights & KAISER_MAY_EXEC ? "#d98324" : "#c9a227";
}

static bool in_region(const struct range *r, const struct region *g)
{
	return r->start >= g->start && r->start - 1 < g->end - 1;
}

static unsigned lines_of(const struct judgement *j, const struct region *g)
{
	unsigned n = 0;

	for (size_t i = 0; i < j->ranges; i++)
		n += in_region(&j->range[i], g);
	return n > LINES ? LINES + 1 : n;
}

static unsigned height_of(const struct judgement *j, const struct region *g)
{
	unsigned by_size = 16, by_lines = lines_of(j, g) * LINE + 8;

	for (uint64_t pages = g->pages; pages; pages >>= 1)
		by_size += 3;
	return by_size > by_lines ? by_size : by_lines;
}

static void draw_range(FILE *f, const struct judgement *j, const struct symbols *s,
		       const struct range *r, unsigned y)
{
	const char *why = preset_range(j->options->preset, r->start, r->end, r->rights);
	char size[32], rights[8], cpus[64], symbol[96];

	human(r->end - r->start, size, sizeof(size));
	rights_text(r->rights, rights);
	cpu_list(r->cpu, cpus, sizeof(cpus));
	symbols_name(s, r->start, symbol, sizeof(symbol));
	fprintf(f, "<g><title>0x%016lx-0x%016lx %s %s, CPU %s", r->start, r->end, size, rights,
		cpus);
	fprintf(f, "\n%s", *r->name ? "the CPU needs it, or it is allowed: " : "not needed ");
	put_escaped(f, r->name);
	put_escaped(f, symbol);
	fputs(why ? "\n" : "", f);
	put_escaped(f, why ? why : "");
	fprintf(f,
		"</title><rect x=\"%d\" y=\"%u\" width=\"14\" height=\"%d\" fill=\"%s\"/>"
		"<text x=\"%d\" y=\"%u\">%016lx %9s %-4s CPU %s ",
		RIGHT + 6, y, LINE - 3, colour(r), RIGHT + 28, y + LINE - 5, r->start, size, rights,
		cpus);
	put_escaped(f, *r->name ? r->name : symbol);
	fputs("</text></g>\n", f);
}

static unsigned draw_region(FILE *f, const struct judgement *j, const struct symbols *s,
			    const struct region *g, unsigned y)
{
	unsigned height = height_of(j, g), at = y + 4, shown = 0, more = 0;
	char size[32];

	human(g->pages * 4096, size, sizeof(size));
	fprintf(f,
		"<g><title>0x%016lx-0x%016lx, %s mapped by the kernel's root</title>"
		"<rect x=\"%d\" y=\"%u\" width=\"%d\" height=\"%u\" fill=\"#9db4c0\"/>"
		"<text x=\"%d\" y=\"%u\">%016lx  %s</text></g>\n",
		g->start, g->end, size, LEFT, y, COLUMN, height, LEFT + 8, y + 14, g->start, size);
	fprintf(f,
		"<rect x=\"%d\" y=\"%u\" width=\"%d\" height=\"%u\" fill=\"none\" "
		"stroke=\"#9db4c0\" stroke-dasharray=\"3\"/>\n",
		RIGHT, y, WIDTH - RIGHT - LEFT, height);
	for (size_t i = 0; i < j->ranges; i++) {
		if (!in_region(&j->range[i], g))
			continue;
		if (shown++ >= LINES) {
			more++;
			continue;
		}
		draw_range(f, j, s, &j->range[i], at);
		at += LINE;
	}
	if (more)
		fprintf(f, "<text x=\"%d\" y=\"%u\">... and %u ranges more</text>\n", RIGHT + 28,
			at + LINE - 5, more);
	return y + height + 8;
}

static void draw(FILE *f, const struct judgement *j, const struct symbols *s,
		 const struct verdict_line *v)
{
	unsigned height = 96, y = 64;

	for (size_t i = 0; i < j->regions; i++)
		height += height_of(j, &j->region[i]) + 8;
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" width=\"%d\" "
		"height=\"%u\" "
		"viewBox=\"0 0 %d %u\" font-family=\"monospace\" font-size=\"11\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"%d\" y=\"24\" font-size=\"15\" font-weight=\"bold\">",
		WIDTH, height, WIDTH, height, LEFT);
	put_escaped(f, v->text);
	fprintf(f,
		"</text>\n<text x=\"%d\" y=\"52\" font-size=\"13\">kernel root</text>"
		"<text x=\"%d\" y=\"52\" font-size=\"13\">user root: what of it is "
		"visible</text>\n",
		LEFT, RIGHT);
	for (size_t i = 0; i < j->regions; i++)
		y = draw_region(f, j, s, &j->region[i], y);
	fprintf(f,
		"<text x=\"%d\" y=\"%u\">green: needed by the CPU or allowed; red: writable; "
		"orange: code; yellow: read-only; dark red: open to user mode</text>\n</svg>\n",
		LEFT, y + 16);
}

static int done(FILE *f)
{
	bool bad = ferror(f);

	return fclose(f) || bad ? -1 : 0;
}

int picture_svg(const char *path, const struct judgement *j, const struct symbols *s,
		const struct verdict_line *v)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	draw(f, j, s, v);
	return done(f);
}

int picture_html(const char *path, const struct judgement *j, const struct symbols *s,
		 const struct verdict_line *v)
{
	FILE *f = fopen(path, "w");
	size_t count;
	const struct kaiser_check *check = kaiser_checks(&count);

	if (!f)
		return -1;
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>kaiser audit</title></head>\n<body style=\"font-family: monospace\">\n",
	      f);
	draw(f, j, s, v);
	fputs("<table>\n", f);
	for (size_t i = 0; i < count; i++) {
		fprintf(f, "<tr><td>%s</td><td><b>%s</b></td><td>", check[i].name,
			state_of(j, check[i].name));
		put_escaped(f, check[i].sentence);
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n</body></html>\n", f);
	return done(f);
}
