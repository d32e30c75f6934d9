/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * Memory runs out: a process that takes all of it is killed, the others and the system go on, and
 * what it had comes back, also if it is process 1 that asks for more. One user's forks end at
 * RLIMIT_NPROC, before memory does. Only as process 1 or where there is little memory: elsewhere it
 * would hurt the machine it runs on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

static unsigned long available(void)
{
	struct sysinfo si;

	return sysinfo(&si) ? 0 : si.freeram * si.mem_unit;
}

/* Leaves two megabytes to all others, and waits. */
static void hog(void)
{
	size_t chunk = 256 << 10;

	while (available() > 2ul << 20) {
		uint8_t *p = mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, chunk);
	}
	pause();
	_exit(0);
}

/* This process needs a page that is not there: by an instruction of its own, or by a call's. */
static void asked_by_us(bool by_a_call)
{
	size_t n = 8 << 20, i = 0;
	pid_t pid = fork();
	int status = 0, fd = open("/dev/zero", O_RDONLY);
	uint8_t *p;

	if (pid == 0)
		hog();
	while (available() > 3ul << 20)
		usleep(20000);
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (; p != MAP_FAILED && i < n; i += PAGE) {
		if (by_a_call && read(fd, p + i, PAGE) != PAGE)
			break;
		p[i] = 1;
	}
	close(fd);
	CHECK(p != MAP_FAILED && i == n, "another's memory for process 1, %s",
	      by_a_call ? "in a system call" : "at its own access");
	if (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
	}
	ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"it is that of the biggest (%s)", ktap_status(status));
	munmap(p, n);
}

static void *sleep_on(void *arg)
{
	pause();
	return arg;
}

enum { USER = 1234, MOST = 12 };

/* As a user who may have MOST tasks, this one among them. */
static int limited_forks(void *arg)
{
	struct rlimit r = {MOST, MOST + 1}, more = {MOST, MOST + 2}, now;
	pid_t pid[2 * MOST];
	pthread_t thread;
	int n = 0;

	(void)arg;
	if (getrlimit(RLIMIT_NPROC, &now) || now.rlim_cur == RLIM_INFINITY || now.rlim_cur < 32)
		return 1; /* what nobody has set */
	if (setrlimit(RLIMIT_NPROC, &r) || setresuid(USER, USER, USER))
		return 2;
	if (setrlimit(RLIMIT_NPROC, &more) != -1 || errno != EPERM)
		return 3;
	while (n < 2 * MOST && (pid[n] = fork()) >= 0) {
		if (pid[n] == 0) {
			pause();
			_exit(0);
		}
		n++;
	}
	if (n != MOST - 1 || errno != EAGAIN)
		return 4;
	if (pthread_create(&thread, NULL, sleep_on, NULL) != EAGAIN)
		return 5;
	kill(pid[0], SIGKILL);
	while (waitid(P_PID, (id_t)pid[0], &(siginfo_t){0}, WEXITED | WNOWAIT))
		;
	if (fork() != -1 || errno != EAGAIN)
		return 6; /* not before somebody waited for it */
	waitpid(pid[0], NULL, 0);
	if (pthread_create(&thread, NULL, sleep_on, NULL))
		return 7;
	if (fork() != -1 || errno != EAGAIN)
		return 8; /* the thread counts */
	for (int i = 1; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return 0;
}

/* Root has no limit, and is not kept from ending it. */
static int unlimited_root(void *arg)
{
	struct rlimit r = {1, 1};

	(void)arg;
	return setrlimit(RLIMIT_NPROC, &r) || ktap_child(take_a_quarter, NULL) != 0;
}

/* Every child forks on, each takes memory: a user of no rights against the machine. */
static int exponential(void *arg)
{
	static uint8_t hold[64 << 10];

	(void)arg;
	if (setresuid(USER, USER, USER))
		return 1;
	for (uint8_t turn = 0; turn < 100; turn++) {
		fork();
		for (size_t i = 0; i < sizeof(hold); i += PAGE)
			hold[i] = turn;
	}
	pause();
	return 0;
}

/* As that user: all of his. */
static int end_all(void *arg)
{
	(void)arg;
	if (setresuid(USER, USER, USER))
		return 1;
	kill(-1, SIGKILL);
	return 0;
}

static void bomb(void)
{
	pid_t pid = fork();
	bool ok;

	if (pid == 0)
		_exit(exponential(NULL));
	sleep(2);
	ok = ktap_child(limited_forks, NULL) != 0; /* as he has all he may have; root forks */
	/* Memory may be too short to ask, or one forks as they are killed. */
	do {
		ktap_child(end_all, NULL);
		usleep(20000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	} while (waitpid(-1, NULL, WNOHANG) == 0);
	/* Not before: the kernel may have been telling whom it kills. */
	CHECK(ok, "a user's forks without end leave us our own");
	CHECK(ktap_child(limited_forks, NULL) == 0, "and end with their processes");
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
	asked_by_us(false);
	asked_by_us(true);
	status = ktap_child(limited_forks, NULL);
	CHECK(status == 0, "RLIMIT_NPROC: EAGAIN (%s)", ktap_status(status));
	CHECK(ktap_child(unlimited_root, NULL) == 0, "but not for root");
	bomb();
	CHECK(ktap_child(take_a_quarter, NULL) == 0, "and memory is there again");
	return ktap_end();
}
