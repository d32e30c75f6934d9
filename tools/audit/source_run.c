/* SPDX-License-Identifier: MIT */
/* A guest that the tool starts itself and ends afterwards: the QEMU command it was given, with two
 * sockets more. What QEMU prints goes to a file, of which the end is shown if it does not work. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "source.h"

#define CONNECT_MS 10000

struct started {
	pid_t pid;
	char dir[64];
	void (*close)(struct source *s); /* source_qemu.c's */
};

static struct started started;

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", started.dir, name);
}

static void end_child(void)
{
	if (started.pid > 0) {
		kill(started.pid, SIGKILL);
		while (waitpid(started.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	started.pid = 0;
	source_on_signal_kill(0);
}

static void run_close(struct source *s)
{
	static const char *const names[] = {"qmp", "gdb", "output"};
	char path[96];

	/* Before the connection: it need not be told to go on. */
	end_child();
	if (started.close && s->own)
		started.close(s);
	for (unsigned i = 0; i < 3; i++) {
		path_of(path, sizeof(path), names[i]);
		unlink(path);
	}
	rmdir(started.dir);
}

static _Noreturn void child(char **argv)
{
	char path[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	path_of(path, sizeof(path), "output");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* The last line that QEMU printed, for the one line of reason. */
static void last_line(char *line, size_t size)
{
	char path[96], text[2048] = "", *end;
	FILE *f;
	size_t n;

	line[0] = 0;
	path_of(path, sizeof(path), "output");
	f = fopen(path, "r");
	if (!f)
		return;
	if (fseek(f, -(long)(sizeof(text) - 1), SEEK_END))
		rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	while (n > 0 && strchr("\r\n", text[n - 1]))
		text[--n] = 0;
	end = strrchr(text, '\n');
	snprintf(line, size, "%.*s", (int)size - 1, end ? end + 1 : text);
}

static int wait_for_socket(struct source *s, const char *path)
{
	char line[160];

	for (int waited = 0; waited < CONNECT_MS; waited += 10) {
		int status;

		if (waitpid(started.pid, &status, WNOHANG) == started.pid) {
			started.pid = 0;
			last_line(line, sizeof(line));
			return source_fail(s, "the guest's command ended at once: %s", line);
		}
		if (access(path, F_OK) == 0)
			return 0;
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	return source_fail(s, "the guest's command opened no QMP socket within %d s",
			   CONNECT_MS / 1000);
}

int source_run(struct source *s, char **command)
{
	const char *tmp = getenv("TMPDIR");
	char qmp[160], gdb[160], qmp_path[96], gdb_path[96];
	char **argv;
	int n = 0;

	while (command[n])
		n++;
	argv = calloc((size_t)n + 5, sizeof(*argv));
	snprintf(started.dir, sizeof(started.dir), "%.40s/kaiser-run.XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	if (!argv || !mkdtemp(started.dir)) {
		free(argv);
		return source_fail(s, "%s: %s", started.dir, strerror(errno));
	}
	s->close = run_close;
	path_of(qmp_path, sizeof(qmp_path), "qmp");
	path_of(gdb_path, sizeof(gdb_path), "gdb");
	snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", qmp_path);
	snprintf(gdb, sizeof(gdb), "unix:%s,server=on,wait=off", gdb_path);
	memcpy(argv, command, (size_t)n * sizeof(*argv));
	argv[n++] = (char[]){"-qmp"};
	argv[n++] = qmp;
	argv[n++] = (char[]){"-gdb"};
	argv[n++] = gdb;
	fflush(NULL);
	started.pid = fork();
	if (started.pid == 0)
		child(argv);
	free(argv);
	if (started.pid < 0)
		return source_fail(s, "fork: %s", strerror(errno));
	source_on_signal_kill(started.pid);
	if (wait_for_socket(s, qmp_path))
		return -1;
	int err = source_qemu(s, qmp_path, gdb_path, CONNECT_MS);
	if (err && waitpid(started.pid, NULL, WNOHANG) == started.pid) {
		char line[160];

		started.pid = 0;
		last_line(line, sizeof(line));
		source_fail(s, "the guest's command ended at once: %s", line);
	}
	started.close = s->close;
	s->close = run_close;
	return err;
}
