/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static int count, failed;

/* One write a line: lines of other processes and of the kernel come between, not within. */
static void line(const char *prefix, const char *fmt, va_list args)
{
	char buf[400];
	int n = snprintf(buf, sizeof(buf), "%s", prefix);

	n += vsnprintf(buf + n, sizeof(buf) - (size_t)n - 1, fmt, args);
	if (n > (int)sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	for (int done = 0; done < n;) {
		ssize_t w = write(1, buf + done, (size_t)(n - done));

		if (w <= 0)
			break;
		done += (int)w;
	}
}

static void put(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line("", fmt, args);
	va_end(args);
}

void ktap_start(void)
{
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
		mount("dev", "/dev", "devtmpfs", 0, NULL);
		mkdir("/tmp", 01777);
	}
	put("KTAP version 1");
}

bool ktap_ok(bool ok, const char *fmt, ...)
{
	char prefix[40];
	va_list args;

	if (!ok)
		failed++;
	snprintf(prefix, sizeof(prefix), "%s %d - ", ok ? "ok" : "not ok", ++count);
	va_start(args, fmt);
	line(prefix, fmt, args);
	va_end(args);
	return ok;
}

void ktap_skip(const char *name, const char *why)
{
	put("ok %d - %s # SKIP %s", ++count, name, why);
}

void ktap_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line("# ", fmt, args);
	va_end(args);
}

int ktap_end(void)
{
	put("1..%d", count);
	if (getpid() == 1) {
		sync();
		if (getenv("KTAP_LINGER"))
			sleep(1); /* whoever disturbs us can see the plan and stop */
		reboot(RB_POWER_OFF);
		for (;;)
			pause();
	}
	return failed ? 1 : 0;
}

int ktap_child(int (*fn)(void *), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return 255 << 8;
	if (pid == 0) {
		alarm(20);
		_exit(fn(arg));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

const char *ktap_status(int status)
{
	static const struct {
		int sig;
		const char *name;
	} names[] = {{SIGSEGV, "SIGSEGV"}, {SIGILL, "SIGILL"},   {SIGBUS, "SIGBUS"},
		     {SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}, {SIGKILL, "SIGKILL"},
		     {SIGALRM, "SIGALRM"}, {SIGABRT, "SIGABRT"}, {SIGSYS, "SIGSYS"}};
	static char buf[40];

	if (WIFSIGNALED(status)) {
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (names[i].sig == WTERMSIG(status))
				return names[i].name;
		}
		snprintf(buf, sizeof(buf), "signal %d", WTERMSIG(status));
	} else {
		snprintf(buf, sizeof(buf), "exit %d", WEXITSTATUS(status));
	}
	return buf;
}
