/* SPDX-License-Identifier: MIT */
/*
 * A guest under QEMU, for one configuration. It boots twice: once to learn from the IDT where the
 * entry code lies, and again with QEMU's log confined to that code and to the program.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"

#define BOOT     60000 /* ms until the program is at its start */
#define MAX_ARGS 64

static int fail(struct storm *s, const char *what)
{
	snprintf(s->guest.error, sizeof(s->guest.error), "%s", what);
	return 2;
}

static void start(struct storm *s, char **argv)
{
	struct storm_guest *g = &s->guest;
	char path[128];

	unlink(g->gdb_path);
	unlink(g->serial);
	snprintf(path, sizeof(path), "%s/qemu", g->dir);
	g->pid = fork();
	if (g->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* or a storm that is stopped leaves it behind */
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDONLY);

	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	execvp(argv[0], argv);
	_exit(127);
}

/* argv with room of its own in text. */
static void arguments(struct storm *s, const char *append, char **argv, char text[MAX_ARGS][600])
{
	const struct storm_guest *g = &s->guest;
	unsigned n = 0, t = 0;

#define ADD(...) (snprintf(text[t], sizeof(text[t]), __VA_ARGS__), argv[n++] = text[t++])
	ADD("qemu-system-x86_64");
	for (unsigned i = 0; i < s->c.qemus; i++)
		ADD("%s", s->c.qemu[i]);
	ADD("-accel");
	ADD("tcg");
	ADD("-no-reboot");
	ADD("-display");
	ADD("none");
	ADD("-kernel");
	ADD("%s", s->o.kernel);
	ADD("-initrd");
	ADD("%s", s->o.initrd ? s->o.initrd : g->initrd);
	ADD("-append");
	ADD("%s", append);
	ADD("-serial");
	ADD("file:%s", g->serial);
	ADD("-gdb");
	ADD("unix:%s,server=on,wait=off", g->gdb_path);
	ADD("-S");
	if (g->entries) {
		char filter[500];
		int at = 0;

		for (unsigned i = 0; i < g->entries; i++)
			at += snprintf(filter + at, sizeof(filter) - (size_t)at,
				       "%s%#" PRIx64 "..%#" PRIx64, i ? "," : "", g->entry[i][0],
				       g->entry[i][1] - 1);
		/* And all of user mode. */
		snprintf(filter + at, sizeof(filter) - (size_t)at, ",0x1000..0x7fffffffefff");
		ADD("-dfilter");
		ADD("%s", filter);
	}
	if (g->trace) {
		char plugin[PLACE_SIZE];
		int at;

		ADD("-plugin");
		at = snprintf(text[t], sizeof(text[t]), "%s,out=%s",
			      place_lib(plugin, "kaiser-storm.so"), g->trace_path);
		for (unsigned i = 0; i < g->entries && (size_t)at < sizeof(text[t]); i++)
			at += snprintf(text[t] + at, sizeof(text[t]) - (size_t)at,
				       ",range=%" PRIx64 "-%" PRIx64, g->entry[i][0],
				       g->entry[i][1]);
		argv[n++] = text[t++];
	}
	for (char **a = s->o.qemu; a && *a && n + 1 < MAX_ARGS; a++)
		argv[n++] = *a;
	argv[n] = NULL;
#undef ADD
}

/* To the program's first instruction of interest. */
static int reach(struct storm *s, const char *symbol)
{
	struct storm_guest *g = &s->guest;
	char line[250];
	uint64_t va;

	if (!storm_image_find(s->program, symbol, &va)) {
		snprintf(g->error, sizeof(g->error), "%s has no symbol %s", s->o.program, symbol);
		return 2;
	}
	if (gdb_break(&g->g, va, true) || gdb_continue(&g->g))
		return fail(s, g->g.error);
	switch (gdb_wait(&g->g, BOOT)) {
	case 1:
		g->stopped = true;
		return gdb_break(&g->g, va, false) ? fail(s, g->g.error) : 0;
	case 0:
		return fail(s, "the program does not start: see the serial output");
	default:
		break;
	}
	if (storm_guest_says(s, line, sizeof(line)))
		snprintf(g->error, sizeof(g->error), "the guest says: %s", line);
	else
		fail(s, g->g.error);
	return 2;
}

/* From the IDT: each gate, and how far the code was moved from where it was linked. */
static int locate(struct storm *s)
{
	struct storm_guest *g = &s->guest;
	static char text[16384];
	uint64_t idt[512], linked, base;
	char *p;

	if (gdb_monitor(&g->g, "info registers", text, sizeof(text)))
		return fail(s, g->g.error);
	p = strstr(text, "IDT=");
	base = p ? strtoull(p + 4, NULL, 16) : 0;
	if (!base || gdb_read(&g->g, base, idt, sizeof(idt)))
		return fail(s, "the IDT cannot be read from user mode's root");
	for (unsigned v = 0; v < 256; v++)
		g->gate[v] = (idt[2 * v] & 0xffff) | (idt[2 * v] >> 32 & 0xffff0000) |
			     idt[2 * v + 1] << 32;
	if (s->c.anchor[0]) {
		if (!storm_image_find(s->kernel, s->c.anchor, &linked))
			return fail(s, "the kernel does not have the anchor's symbol");
		g->moved = g->gate[s->c.anchor_vector] - linked;
	}
	for (unsigned i = 0; i < s->c.entries; i++) {
		if (!storm_image_find(s->kernel, s->c.entry[i].from, &g->entry[i][0]) ||
		    !storm_image_find(s->kernel, s->c.entry[i].to, &g->entry[i][1]))
			return fail(s, "the kernel does not have the symbols of the entry code");
		g->entry[i][0] += g->moved;
		g->entry[i][1] += g->moved;
	}
	g->entries = s->c.entries;
	return 0;
}

static void end(struct storm_guest *g)
{
	if (g->g.fd > 0)
		close(g->g.fd);
	g->g.fd = -1;
	if (g->pid > 0) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, 0);
	}
	g->pid = 0;
	g->stopped = false;
}

static int boot(struct storm *s, const char *append)
{
	static char text[MAX_ARGS][600];
	struct storm_guest *g = &s->guest;
	char *argv[MAX_ARGS];

	arguments(s, append, argv, text);
	start(s, argv);
	if (g->pid < 0)
		return fail(s, "cannot fork");
	if (gdb_open(&g->g, g->gdb_path, 10000)) {
		char path[128], line[200] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/qemu", g->dir);
		f = fopen(path, "r");
		if (!f || !fgets(line, sizeof(line), f))
			snprintf(line, sizeof(line), "%s", g->g.error);
		if (f)
			fclose(f);
		line[strcspn(line, "\n")] = 0;
		return fail(s, line);
	}
	return reach(s, s->c.loop[0] ? s->c.loop : s->c.path[0].start);
}

int storm_guest_open(struct storm *s, const struct storm_setup *setup, const char *append)
{
	struct storm_guest *g = &s->guest;
	char line[400];
	int r;

	memset(g, 0, sizeof(*g));
	strcpy(g->dir, "/tmp/kaiser-storm-XXXXXX");
	if (!mkdtemp(g->dir))
		return fail(s, "cannot make a directory in /tmp");
	snprintf(g->gdb_path, sizeof(g->gdb_path), "%s/gdb", g->dir);
	snprintf(g->serial, sizeof(g->serial), "%s/serial", g->dir);
	snprintf(g->log, sizeof(g->log), "%s/log", g->dir);
	snprintf(g->initrd, sizeof(g->initrd), "%s/initrd", g->dir);
	snprintf(g->trace_path, sizeof(g->trace_path), "%s/trace", g->dir);
	if (!s->o.initrd && storm_initrd(g->initrd, s->o.program))
		return fail(s, "the initrd cannot be written");
	snprintf(line, sizeof(line), "console=ttyS0 nokaslr %s %s %s", setup->append, append,
		 s->o.append ? s->o.append : "");
	s->selected[0] = 0;
	s->setup = setup;
	s->append = append;
	r = boot(s, line);
	if (!r)
		r = locate(s);
	end(g);
	if (!r && !s->o.no_count && storm_count_open(g))
		return fail(s, "the plugin's trace cannot be written");
	return r ? r : boot(s, line);
}

void storm_guest_close(struct storm *s)
{
	static const char *const names[] = {"gdb", "serial", "log", "initrd", "qemu", "trace"};
	struct storm_guest *g = &s->guest;
	char path[128];

	end(g);
	storm_count_close(g);
	for (unsigned i = 0; g->dir[0] && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", g->dir, names[i]);
		unlink(path);
	}
	if (g->dir[0])
		rmdir(g->dir);
	g->dir[0] = 0;
}

bool storm_guest_says(struct storm *s, char *line, size_t size)
{
	FILE *f = fopen(s->guest.serial, "r");
	bool found = false;

	while (f && !found && fgets(line, (int)size, f))
		for (unsigned i = 0; i < s->c.forbids; i++)
			found |= strstr(line, s->c.forbid[i]) != NULL;
	if (f)
		fclose(f);
	if (found)
		line[strcspn(line, "\r\n")] = 0;
	return found;
}
