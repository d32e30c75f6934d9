/* SPDX-License-Identifier: MIT */
/*
 * One guest: QEMU with the recorder, until its program says that it has done. Instruction counting
 * (-icount), a fixed seed and a clock of the guest's own make every run of it the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define ARGS 64
#define TICK 20 /* ms */

struct guest {
	const struct guest_config *c;
	char dir[80], arg[ARGS][600];
	char *argv[ARGS + 1];
	int argc;
	pid_t pid;
	FILE *serial;
	char line[512];
	size_t got;
	char *error;
	size_t error_size;
};

static int fail(struct guest *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct guest *g, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(g->error, g->error_size, format, ap);
	va_end(ap);
	return -1;
}

static void path_of(const struct guest *g, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", g->dir, name);
}

static void add(struct guest *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct guest *g, const char *format, ...)
{
	va_list ap;

	if (g->argc == ARGS)
		return;
	va_start(ap, format);
	vsnprintf(g->arg[g->argc], sizeof(g->arg[0]), format, ap);
	va_end(ap);
	g->argv[g->argc] = g->arg[g->argc];
	g->argc++;
}

static void command_line(struct guest *g)
{
	const struct guest_config *c = g->c;
	static const char *const fixed[] = {
		"-accel",     "tcg",      "-seed", "1",        "-rtc", "base=2024-01-01,clock=vm",
		"-no-reboot", "-display", "none",  "-monitor", "none", "-nic",
		"none",
	};

	add(g, "%s", c->qemu);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		add(g, "%s", fixed[i]);
	if (c->icount) {
		add(g, "-icount");
		add(g, "shift=0,sleep=off");
	}
	add(g, "-M");
	add(g, "%s", c->machine);
	add(g, "-cpu");
	/* QEMU 7.2 has no x2APIC; QEMU 10 ends with "Bad icount read" where a guest uses it. */
	add(g, "%s%s", c->cpu, c->icount && !strstr(c->cpu, "x2apic") ? ",x2apic=off" : "");
	add(g, "-smp");
	add(g, "%u", c->cpus);
	add(g, "-m");
	add(g, "%uM", c->memory_mb);
	add(g, "-serial");
	add(g, "file:%s/serial", g->dir);
	add(g, "-qmp");
	add(g, "unix:%s/qmp,server=on,wait=off", g->dir);
	add(g, "-gdb");
	add(g, "unix:%s/gdb,server=on,wait=off", g->dir);
	add(g, "-plugin");
	add(g, "file=%s,out=%s/trace", c->recorder, g->dir);
	add(g, "-kernel");
	add(g, "%s", c->kernel);
	add(g, "-initrd");
	add(g, "%s", c->initrd);
	add(g, "-append");
	add(g, "console=ttyS0 quiet panic=-1 pti=%s %s -- reps=%u procs=%u%s%s",
	    c->pti ? "on" : "off", c->append, c->reps, c->procs, *c->ops ? " ops=" : "", c->ops);
}

static int start(struct guest *g)
{
	char path[160];
	int fd;

	path_of(g, "output", path, sizeof(path));
	fflush(NULL);
	g->pid = fork();
	if (g->pid < 0)
		return fail(g, "fork: %s", strerror(errno));
	if (g->pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	execvp(g->argv[0], g->argv);
	fprintf(stderr, "%s: %s\n", g->argv[0], strerror(errno));
	_exit(127);
}

static void end(struct guest *g)
{
	static const char *const names[] = {"qmp", "gdb", "output", "serial", "trace"};
	char path[160];

	if (g->pid > 0) {
		kill(g->pid, SIGKILL);
		while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (g->serial)
		fclose(g->serial);
	for (unsigned i = 0; i < 5; i++) {
		path_of(g, names[i], path, sizeof(path));
		unlink(path);
	}
	rmdir(g->dir);
}

/* The last line of a file in the guest's folder, for the reason why it did not work. */
static void last_line(const struct guest *g, const char *name, char *line, size_t size)
{
	char path[160], buf[512];
	FILE *f;

	*line = 0;
	path_of(g, name, path, sizeof(path));
	f = fopen(path, "r");
	while (f && fgets(buf, sizeof(buf), f))
		if (buf[strcspn(buf, "\r\n")] && *buf != '\r' && *buf != '\n')
			snprintf(line, size, "%.*s", (int)strcspn(buf, "\r\n"), buf);
	if (f)
		fclose(f);
}

/* The next whole line of the console, or NULL if none came within a tick. */
static const char *next_line(struct guest *g)
{
	char path[160];
	int c;

	if (!g->serial) {
		path_of(g, "serial", path, sizeof(path));
		g->serial = fopen(path, "r");
	}
	clearerr(g->serial ? g->serial : stdin);
	while (g->serial && (c = getc(g->serial)) != EOF) {
		if (c == '\n' || g->got + 1 == sizeof(g->line)) {
			g->line[g->got] = 0;
			g->got = 0;
			return g->line;
		}
		if (c != '\r')
			g->line[g->got++] = (char)c;
	}
	nanosleep(&(struct timespec){0, TICK * 1000000L}, NULL);
	return NULL;
}

/* 1: it has done; 0: go on; -1: it failed. */
static int heard(struct guest *g, const char *line)
{
	const char *b = strstr(line, "BENCH: ");
	char gdb[160], why[200];

	if (g->c->keep_serial)
		fprintf(stderr, "%s: %s\n", g->c->name, line);
	if (strstr(line, "Kernel panic") || !strncmp(line, "panic:", 6))
		return fail(g, "%s: the kernel panicked: %.200s", g->c->name, line);
	if (!b)
		return 0;
	if (!strncmp(b, "BENCH: failed", 13))
		return fail(g, "%s: the guest's program: %.200s", g->c->name, b + 7);
	if (!strncmp(b, "BENCH: nmi ", 11)) {
		path_of(g, "gdb", gdb, sizeof(gdb));
		if (nmi_serve(gdb, b, g->c->reps, why, sizeof(why)))
			return fail(g, "%s: %s", g->c->name, why);
	}
	return !strcmp(b, "BENCH: end");
}

static int wait_for_end(struct guest *g)
{
	struct timespec begin, now;
	char why[200];
	int status, state;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		const char *line = next_line(g);

		if (line) {
			state = heard(g, line);
			if (state)
				return state < 0 ? -1 : 0;
			continue;
		}
		if (waitpid(g->pid, &status, WNOHANG) == g->pid) {
			g->pid = 0;
			last_line(g, "output", why, sizeof(why));
			if (!*why)
				last_line(g, "serial", why, sizeof(why));
			return fail(g, "%s: QEMU ended before the guest had done: %.150s",
				    g->c->name, why);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begin.tv_sec > (time_t)g->c->timeout) {
			last_line(g, "serial", why, sizeof(why));
			return fail(g, "%s: not done after %u s; its last line: %.150s", g->c->name,
				    g->c->timeout, why);
		}
	}
}

int guest_run(struct guest_result *result, const struct guest_config *c, char *error, size_t size)
{
	struct guest *g = calloc(1, sizeof(*g));
	const char *tmp = getenv("TMPDIR");
	char trace[160], qmp[160];
	int err;

	*result = (struct guest_result){.config = *c};
	if (!g) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	g->c = c;
	g->error = error;
	g->error_size = size;
	snprintf(g->dir, sizeof(g->dir), "%.50s/kaiser-bench.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(g->dir)) {
		err = fail(g, "%s: %s", g->dir, strerror(errno));
		free(g);
		return err;
	}
	path_of(g, "trace", trace, sizeof(trace));
	path_of(g, "qmp", qmp, sizeof(qmp));
	command_line(g);
	err = start(g);
	if (!err)
		err = wait_for_end(g);
	if (!err)
		err = trace_load(result, trace, error, size);
	if (!err)
		err = pages_ask(result, qmp, error, size);
	end(g);
	free(g);
	return err;
}

void guest_free(struct guest_result *g)
{
	for (unsigned i = 0; i < OPS; i++) {
		free(g->op[i].median.record);
		free(g->op[i].median.user_root);
	}
	free(g->size);
}
