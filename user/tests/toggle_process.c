/* SPDX-License-Identifier: MIT */
/* Isolation switched for one process: who may, who inherits it, what is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "toggle.h"

bool told(const char *file, const char *words)
{
	static char text[65536];
	size_t n = 0;
	ssize_t got;
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		return false;
	while (n < sizeof(text) - 1 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	text[n] = 0;
	return n > 0 && strstr(text, words);
}

int as_user(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgid(1000) || setuid(1000) ? 99 : fn());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 98;
}

static int switch_fd; /* opened by the superuser */

static int may_not_write(void)
{
	return write(switch_fd, "off", 3) == -1 && errno == EPERM ? 0 : 1;
}

int may_not_switch(void)
{
	if (open(SWITCH, O_WRONLY) != -1 || errno != EACCES)
		return 1;
	if (open(SWITCH, O_RDWR | O_TRUNC) != -1 || errno != EACCES)
		return 2;
	return told(SWITCH, "on") ? 0 : 3;
}

static int may_not_opt_out(void)
{
	if (prctl(PR_SET_KAISER, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 1;
	if (prctl(PR_SET_KAISER, 1, 0, 0, 0) || prctl(PR_GET_KAISER, 0, 0, 0, 0) != 1)
		return 2;
	return 0;
}

static char *program;

static int reported(void)
{
	char *argv[] = {program, "report", NULL}, *envp[] = {NULL};

	execve(program, argv, envp);
	return 97;
}

static int opted_out(void)
{
	if (prctl(PR_GET_KAISER, 0, 0, 0, 0) != 0)
		return 1;
	return told("/proc/self/status", "Kaiser:\topted out") ? 0 : 2;
}

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 98;
}

static int come_back(void)
{
	if (prctl(PR_SET_KAISER, 1, 0, 0, 0) || prctl(PR_GET_KAISER, 0, 0, 0, 0) != 1)
		return 1;
	return told("/proc/self/status", "Kaiser:\tisolated") ? 0 : 2;
}

void processes(char *self)
{
	program = self;
	CHECK(prctl(PR_GET_KAISER, 0, 0, 0, 0) == 1, "a process begins isolated");
	CHECK(prctl(PR_SET_KAISER, 2, 0, 0, 0) == -1 && errno == EINVAL &&
		      prctl(PR_SET_KAISER, 0, 1, 0, 0) == -1 && errno == EINVAL &&
		      prctl(PR_GET_KAISER, 1, 0, 0, 0) == -1 && errno == EINVAL,
	      "bad arguments are refused");
	CHECK(as_user(may_not_opt_out) == 0, "only the superuser may opt out, anybody back in");
	switch_fd = open(SWITCH, O_WRONLY);
	CHECK(switch_fd >= 0 && as_user(may_not_write) == 0,
	      "an open switch is of no use to anybody else");
	close(switch_fd);
	CHECK(prctl(PR_SET_KAISER, 0, 0, 0, 0) == 0 && opted_out() == 0, "opting out");
	CHECK(told("/proc/kaiser", "opted_out:\t1\n") &&
		      told("/proc/kaiser", "runs a space that opted out") &&
		      told("/proc/kaiser", "isolated, but for what opted out"),
	      "/proc/kaiser tells of it");
	CHECK(in_child(opted_out) == 0, "a child inherits it");
	CHECK(in_child(come_back) == 0 && opted_out() == 0, "and can end it for itself alone");
	CHECK(in_child(reported) == 0, "an exec by the superuser inherits it");
	CHECK(as_user(opted_out) == 0 && as_user(reported) == 1, "an exec by another does not");
	CHECK(come_back() == 0, "coming back");
	CHECK(told("/proc/kaiser", "opted_out:\t0\n"), "/proc/kaiser counts none");
}
