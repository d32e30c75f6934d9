/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * Memory runs out: a process that takes all of it is killed, the others and the system go on, and
 * what it had comes back. Only as process 1 or where there is little memory: elsewhere it would
 * hurt the machine it runs on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 4096u

static unsigned long total(void)
{
	struct sysinfo si;

	return sysinfo(&si) ? 0 : si.totalram * si.mem_unit;
}

static int take_everything(void *arg)
{
	size_t chunk = 1 << 20;

	(void)arg;
	alarm(0);
	for (;;) {
		uint8_t *p = mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (p == MAP_FAILED)
			return 1; /* told, not killed: as good */
		memset(p, 1, chunk);
	}
}

static int take_a_quarter(void *arg)
{
	size_t n = total() / 4;
	uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < n; i += PAGE) {
		if (p[i])
			return 2;
		p[i] = 1;
	}
	return 0;
}

/* Children that hold memory until no more can be had; all are children of the one that the test
 * ends. */
static int fork_bomb(void *arg)
{
	pid_t pid[256];
	int n = 0;

	(void)arg;
	alarm(0);
	while (n < 256) {
		pid[n] = fork();
		if (pid[n] < 0)
			break;
		if (pid[n] == 0) {
			static uint8_t hold[1 << 20];

			for (size_t i = 0; i < sizeof(hold); i += PAGE)
				hold[i] = 1;
			pause();
			_exit(0);
		}
		n++;
	}
	usleep(500000);
	for (int i = 0; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return 0;
}

static int fill_files(void *arg)
{
	static char block[65536];
	int fd = open("/tmp/ktap-fill", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t w;

	(void)arg;
	alarm(0);
	memset(block, 'f', sizeof(block));
	while ((w = write(fd, block, sizeof(block))) == sizeof(block))
		;
	return w < 0 ? errno : 0;
}

static bool killed(int status)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void)
{
	int status;

	ktap_start();
	if (getpid() != 1 && total() > 300ul << 20) {
		ktap_skip("out of memory", "this machine is not a guest of its own");
		return ktap_end();
	}
	CHECK(ktap_child(take_a_quarter, NULL) == 0, "a quarter of memory can be had");
	for (int i = 0; i < 3; i++) {
		status = ktap_child(take_everything, NULL);
		ktap_ok(killed(status), "one that takes all is killed (%s)", ktap_status(status));
		CHECK(ktap_child(take_a_quarter, NULL) == 0, "and what it had is there again");
	}
	status = ktap_child(fork_bomb, NULL);
	ktap_ok(WIFEXITED(status) || killed(status), "many that take some (%s)",
		ktap_status(status));
	CHECK(ktap_child(take_a_quarter, NULL) == 0, "and what they had is there again");
	status = ktap_child(fill_files, NULL);
	ktap_ok((WIFEXITED(status) &&
		 (WEXITSTATUS(status) == ENOSPC || WEXITSTATUS(status) == ENOMEM ||
		  WEXITSTATUS(status) == 0)) ||
			killed(status),
		"files that fill memory (%s)", ktap_status(status));
	CHECK(unlink("/tmp/ktap-fill") == 0, "are removed");
	CHECK(ktap_child(take_a_quarter, NULL) == 0, "and what they had is there again");
	return ktap_end();
}
