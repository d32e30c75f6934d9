/* SPDX-License-Identifier: MIT */
/*
 * A guest of a running QEMU. Over QMP: registers and the memory map from the monitor, memory by
 * pmemsave, the MSRs from devstate.c. Over the gdbstub: the same monitor by qRcmd, memory by the
 * stub's physical mode. Given both, QMP leads; the stub is asked for memory if files that QEMU
 * writes cannot be read here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <kaiser/verify.h>

#include "../lib/gdbstub.h"
#include "../lib/qmp.h"
#include "source.h"

#define PAGE       4096u
#define BLOCK      32768u /* fetched at a time by pmemsave */
#define TEXT_BYTES (1u << 20)
#define ANSWER     20000

static const char detach[] = "+$D;1#b0", cont[] = "{\"execute\":\"cont\"}\n";

struct guest {
	bool have_qmp, have_gdb, by_file, was_running;
	char stub[108];     /* its socket, if it is not connected to yet; or "" */
	int kernel_gs, cr3; /* their numbers for `p` packets, or -1 */
	struct qmp qmp;
	struct gdb gdb;
	char dir[64], file[96];
	char text[TEXT_BYTES];
};

/* The answer of a QMP command in g->qmp.line, as JSON; NULL if it is none. */
static json_t *answer(const struct guest *g)
{
	json_t *all = json_loads(g->qmp.line, 0, NULL), *r = json_object_get(all, "return");

	json_incref(r);
	json_decref(all);
	return r;
}

/* After a command: `err` is what it returned. */
static int answered(struct source *s, int err)
{
	struct guest *g = s->own;

	if (g->qmp.shutdown[0])
		return source_fail(
			s, "the guest has ended: %s%s", g->qmp.shutdown,
			strcmp(g->qmp.shutdown, "guest-reset") ? "" : ", as after a triple fault");
	return err ? source_fail(s, "%s", g->qmp.error) : 0;
}

static int execute(struct source *s, const char *command, const char *arguments)
{
	struct guest *g = s->own;

	return answered(s, qmp_execute(&g->qmp, command, arguments));
}

/* A monitor command; its text is in g->text. */
static int monitor(struct source *s, const char *command)
{
	struct guest *g = s->own;
	json_t *r;

	g->text[0] = 0;
	if (!g->have_qmp)
		return gdb_monitor(&g->gdb, command, g->text, sizeof(g->text))
			       ? source_fail(s, "%s", g->gdb.error)
			       : 0;
	if (answered(s, qmp_monitor(&g->qmp, command)))
		return -1;
	r = answer(g);
	if (!json_is_string(r)) {
		json_decref(r);
		return source_fail(s, "qmp: no text for '%s'", command);
	}
	snprintf(g->text, sizeof(g->text), "%s", json_string_value(r));
	json_decref(r);
	return 0;
}

/* ---- memory ---- */

/* Of `info mtree -f`, the view that has AS "memory": "START-LAST (prio 0, ram): name". */
static int memory_map(struct source *s)
{
	struct guest *g = s->own;
	const char *view;

	if (monitor(s, "info mtree -f"))
		return -1;
	view = strstr(g->text, "AS \"memory\"");
	if (!view)
		return source_fail(s, "QEMU shows no memory map");
	s->rams = 0;
	for (const char *line = strchr(view, '\n'); line; line = strchr(line + 1, '\n')) {
		unsigned long start, last;
		char kind[16];

		if (!strncmp(line + 1, "FlatView", 8))
			break;
		if (sscanf(line + 1, " %lx-%lx (prio %*d, %15[a-z/ ])", &start, &last, kind) != 3 ||
		    (strcmp(kind, "ram") && strcmp(kind, "rom")) || last < start)
			continue;
		if (s->rams && s->ram[s->rams - 1].end == start) {
			s->ram[s->rams - 1].end = last + 1;
			continue;
		}
		if (s->rams == SOURCE_RAM)
			return source_fail(s, "the guest's memory is in too many pieces");
		s->ram[s->rams].start = start;
		s->ram[s->rams++].end = last + 1;
	}
	return s->rams ? 0 : source_fail(s, "QEMU shows no RAM");
}

static int page_by_file(struct source *s, uint64_t pa, void *buf)
{
	struct guest *g = s->own;
	uint64_t start = pa & ~(uint64_t)(BLOCK - 1), end = start + BLOCK;
	uint8_t block[BLOCK];
	char arguments[256];
	ssize_t got;
	int fd;

	for (unsigned i = 0; i < s->rams; i++) {
		if (pa < s->ram[i].start || pa >= s->ram[i].end)
			continue;
		start = start > s->ram[i].start ? start : s->ram[i].start;
		end = end < s->ram[i].end ? end : s->ram[i].end;
	}
	snprintf(arguments, sizeof(arguments),
		 "{\"val\": %lu, \"size\": %lu, \"filename\": \"%s\"}", start, end - start,
		 g->file);
	if (execute(s, "pmemsave", arguments))
		return -1;
	fd = open(g->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return source_fail(s, "what QEMU writes to %s cannot be read here", g->file);
	got = read(fd, block, sizeof(block));
	close(fd);
	if (got != (ssize_t)(end - start))
		return source_fail(s, "QEMU wrote too little memory");
	for (uint64_t at = (start + PAGE - 1) & ~(uint64_t)(PAGE - 1); at + PAGE <= end; at += PAGE)
		source_put(s, at, block + (at - start));
	if (pa < start || pa + PAGE > end)
		return source_fail(s, "a page that is RAM in part only");
	memcpy(buf, block + (pa - start), PAGE);
	return 0;
}

static int qemu_page(struct source *s, uint64_t pa, void *buf)
{
	struct guest *g = s->own;

	if (g->by_file)
		return page_by_file(s, pa, buf);
	return gdb_read(&g->gdb, pa, buf, PAGE) ? source_fail(s, "%s", g->gdb.error) : 0;
}

/* ---- registers ---- */

/* The number of a register by the stub's own description; -1 if it has none of that name. */
static int register_number(struct guest *g, const char *name)
{
	char wanted[64], *include, file[64];
	int n = 0;

	if (gdb_command(&g->gdb, "qXfer:features:read:target.xml:0,ffb", ANSWER))
		return -1;
	include = strstr(g->gdb.packet, "<xi:include href=\"");
	if (!include)
		return -1;
	snprintf(file, sizeof(file), "%.*s", (int)strcspn(include + 18, "\""), include + 18);
	g->text[0] = 0;
	for (size_t at = 0; at + 0x1000 < sizeof(g->text);) {
		char command[128];
		size_t some;

		snprintf(command, sizeof(command), "qXfer:features:read:%s:%zx,7f0", file, at);
		if (gdb_command(&g->gdb, command, ANSWER) ||
		    (g->gdb.packet[0] != 'm' && g->gdb.packet[0] != 'l'))
			return -1;
		some = strlen(g->gdb.packet + 1);
		memcpy(g->text + at, g->gdb.packet + 1, some + 1);
		at += some;
		if (g->gdb.packet[0] == 'l' || some == 0)
			break;
	}
	/* QEMU comments some registers out, which have no number. */
	for (char *p = strstr(g->text, "<!--"), *end; p; p = strstr(end, "<!--")) {
		end = strstr(p, "-->");
		end = end ? end : p + strlen(p);
		memset(p, ' ', (size_t)(end - p));
	}
	snprintf(wanted, sizeof(wanted), "name=\"%s\"", name);
	for (const char *p = strstr(g->text, "<reg "); p; p = strstr(p + 1, "<reg "), n++) {
		size_t length = strcspn(p, ">");

		if (memmem(p, length, wanted, strlen(wanted)))
			return n;
	}
	return -1;
}

static void stub_registers(struct source *s)
{
	struct guest *g = s->own;

	for (unsigned i = 0; i < s->cpus && g->kernel_gs >= 0; i++) {
		char command[32];
		uint64_t rip;

		snprintf(command, sizeof(command), "Hgp1.%x", i + 1);
		if (gdb_command(&g->gdb, command, ANSWER) || strcmp(g->gdb.packet, "OK") ||
		    gdb_reg(&g->gdb, GDB_RIP, &rip) || rip != s->cpu[i].rip)
			return;
		if (!gdb_reg(&g->gdb, g->kernel_gs, &s->cpu[i].kernel_gs))
			s->cpu[i].known |= KAISER_KNOWN_GS;
	}
}

static int read_registers(struct source *s)
{
	struct guest *g = s->own;

	source_forget(s);
	if (monitor(s, "info registers -a") || registers_parse(s, g->text))
		return -1;
	if (!g->have_qmp)
		stub_registers(s);
	return 0;
}

static int qemu_stop(struct source *s)
{
	struct guest *g = s->own;

	if (!s->stopped && g->have_qmp) {
		if (execute(s, "stop", NULL))
			return -1;
	} else if (!s->stopped) {
		if (gdb_interrupt(&g->gdb) || gdb_wait(&g->gdb, ANSWER) != 1)
			return source_fail(s, "%s",
					   g->gdb.error[0] ? g->gdb.error
							   : "gdbstub: the guest does not stop");
	}
	s->stopped = true;
	return read_registers(s);
}

static int qemu_go(struct source *s)
{
	struct guest *g = s->own;

	if (g->have_qmp ? execute(s, "cont", NULL) : gdb_continue(&g->gdb))
		return g->have_qmp ? -1 : source_fail(s, "%s", g->gdb.error);
	s->stopped = false;
	return 0;
}

static void qemu_msrs(struct source *s)
{
	struct guest *g = s->own;
	uint8_t *state;
	char arguments[160];
	ssize_t got;
	int fd;

	if (!g->by_file)
		return;
	unlink(g->file);
	snprintf(arguments, sizeof(arguments), "{\"filename\": \"%s\", \"live\": true}", g->file);
	if (qmp_execute(&g->qmp, "xen-save-devices-state", arguments))
		return;
	state = malloc(TEXT_BYTES);
	fd = state ? open(g->file, O_RDONLY | O_CLOEXEC) : -1;
	got = fd >= 0 ? read(fd, state, TEXT_BYTES) : -1;
	if (fd >= 0)
		close(fd);
	if (got > 0)
		devstate_parse(s, state, (size_t)got);
	free(state);
	unlink(g->file);
}

static void physical_bits(struct source *s)
{
	struct guest *g = s->own;
	char path[256] = "/machine/unattached/device[0]", command[300];
	unsigned bits;

	if (g->have_qmp && !qmp_execute(&g->qmp, "query-cpus-fast", NULL)) {
		json_t *r = answer(g);
		const char *p =
			json_string_value(json_object_get(json_array_get(r, 0), "qom-path"));

		if (p)
			snprintf(path, sizeof(path), "%s", p);
		json_decref(r);
	}
	snprintf(command, sizeof(command), "qom-get %s phys-bits", path);
	if (!monitor(s, command) && sscanf(g->text, "%u", &bits) == 1 && bits >= 32 && bits <= 52)
		s->pa_bits = bits;
}

/* ---- the connections ---- */

static void qemu_close(struct source *s)
{
	struct guest *g = s->own;
	bool paused = g->have_qmp && !g->was_running;

	if (g->have_gdb) {
		if (s->stopped)
			gdb_command(&g->gdb, "Qqemu.PhyMemMode:0", 1000);
		source_on_signal(-1, detach);
		gdb_close(&g->gdb);
	}
	if (g->have_qmp) {
		source_on_signal(-1, cont);
		if (paused)
			qmp_execute(&g->qmp, "stop", NULL);
		else if (s->stopped)
			qmp_execute(&g->qmp, "cont", NULL);
		qmp_close(&g->qmp);
	}
	if (g->dir[0]) {
		unlink(g->file);
		rmdir(g->dir);
	}
	free(g);
	s->own = NULL;
}

static int open_gdb(struct source *s, const char *path, int timeout)
{
	struct guest *g = s->own;

	if (gdb_open(&g->gdb, path, timeout)) {
		int r = source_fail(s, "%s: %s", path, g->gdb.error);

		if (g->gdb.fd >= 0)
			gdb_close(&g->gdb);
		return r;
	}
	g->have_gdb = s->stopped = true;
	source_on_signal(g->gdb.fd, detach);
	g->kernel_gs = register_number(g, "k_gs_base");
	g->cr3 = register_number(g, "cr3");
	if (gdb_command(&g->gdb, "Qqemu.PhyMemMode:1", ANSWER) || strcmp(g->gdb.packet, "OK"))
		return source_fail(s, "%s: the stub has no physical memory mode", path);
	return 0;
}

static int open_qmp(struct source *s, const char *path, int timeout)
{
	struct guest *g = s->own;
	json_t *r;

	if (qmp_open(&g->qmp, path, timeout)) {
		int err = source_fail(s, "%s: %s", path, g->qmp.error);

		qmp_close(&g->qmp);
		return err;
	}
	g->have_qmp = true;
	if (execute(s, "query-status", NULL))
		return -1;
	r = answer(g);
	g->was_running = json_is_true(json_object_get(r, "running"));
	json_decref(r);
	if (g->was_running)
		source_on_signal(g->qmp.fd, cont);
	if (execute(s, "stop", NULL))
		return -1;
	s->stopped = true;
	return 0;
}

static int temporary(struct source *s)
{
	struct guest *g = s->own;
	const char *tmp = getenv("TMPDIR");

	snprintf(g->dir, sizeof(g->dir), "%.40s/kaiser-audit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(g->dir)) {
		int err = source_fail(s, "%s: %s", g->dir, strerror(errno));

		g->dir[0] = 0;
		return err;
	}
	snprintf(g->file, sizeof(g->file), "%s/out", g->dir);
	return 0;
}

static int connect_all(struct source *s, const char *qmp, const char *gdb, int timeout)
{
	struct guest *g = s->own;
	uint8_t byte;

	if (qmp && (temporary(s) || open_qmp(s, qmp, timeout)))
		return -1;
	if (!qmp && open_gdb(s, gdb, timeout))
		return -1;
	if (memory_map(s))
		return -1;
	if (qmp) {
		g->by_file = true;
		g->by_file = source_read(s, s->ram[0].start, &byte, 1) == 0;
		if (!g->by_file && (!gdb || open_gdb(s, gdb, timeout)))
			return -1;
		if (g->by_file && gdb)
			snprintf(g->stub, sizeof(g->stub), "%s", gdb);
	}
	physical_bits(s);
	return read_registers(s);
}

int source_qemu(struct source *s, const char *qmp, const char *gdb, int timeout_ms)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return source_fail(s, "out of memory");
	g->gdb.fd = g->qmp.fd = -1;
	g->kernel_gs = -1;
	s->own = g;
	s->live = true;
	s->stop = qemu_stop;
	s->go = qemu_go;
	s->msrs = qemu_msrs;
	s->page = qemu_page;
	s->close = qemu_close;
	return connect_all(s, qmp, gdb, timeout_ms);
}

struct gdb *source_stub(struct source *s, int *cr3_number)
{
	struct guest *g = s->own;

	if (!s->live || !s->stopped)
		return NULL;
	if (!g->have_gdb && g->stub[0])
		open_gdb(s, g->stub, 2000);
	g->stub[0] = 0;
	if (!g->have_gdb)
		return NULL;
	if (monitor(s, "info kvm") || !strstr(g->text, "disabled"))
		return NULL;
	*cr3_number = g->cr3;
	return g->cr3 < 0 ? NULL : &g->gdb;
}

int source_stopped(struct source *s)
{
	return read_registers(s);
}
