/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * Everything at once on all CPUs for a few seconds ("storm SECONDS", or 4): forks, execs, pipes,
 * maps, threads and signals, each checking what it did. What it looks for are lost wake-ups, lost
 * pages, stale translations and registers that leak from one process to another.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 4096u

static double seconds = 4, end_time;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool more(void)
{
	return now() < end_time;
}

/* Children of children, each with a value that must come back. */
static int forks(void)
{
	for (int i = 0; more(); i++) {
		int status, want = i & 63;
		pid_t pid = fork();

		if (pid == 0) {
			pid_t grandchild = fork();

			if (grandchild == 0)
				_exit(want ^ 0x55);
			if (waitpid(grandchild, &status, 0) != grandchild)
				_exit(255);
			_exit(WEXITSTATUS(status) ^ 0x55);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != want << 8)
			return 1;
	}
	return 0;
}

static int execs(void)
{
	while (more()) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			char *argv[] = {"storm", "leaf", NULL}, *envp[] = {NULL};

			execve("/proc/self/exe", argv, envp);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 23 << 8)
			return 1;
	}
	return 0;
}

/* A ball between two processes, and blocks larger than a pipe holds. */
static int pipes(void)
{
	static uint32_t block[40000], got[40000];
	int there[2], back[2], status;

	if (pipe(there) || pipe(back))
		return 1;
	pid_t pid = fork();

	if (pid == 0) {
		uint32_t ball;

		close(there[1]);
		close(back[0]);
		while (read(there[0], &ball, 4) == 4) {
			ball = ball * 2654435761u + 1;
			if (write(back[1], &ball, 4) != 4)
				_exit(1);
		}
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	for (uint32_t i = 0; more(); i++) {
		uint32_t ball = i;

		if (write(there[1], &ball, 4) != 4 || read(back[0], &ball, 4) != 4 ||
		    ball != i * 2654435761u + 1)
			return 2;
		if (i % 500)
			continue;
		int big[2];

		if (pipe(big))
			return 3;
		pid_t writer = fork();

		for (unsigned k = 0; k < 40000; k++)
			block[k] = k * (i + 7);
		if (writer == 0) {
			close(big[0]);
			_exit(write(big[1], block, sizeof(block)) == sizeof(block) ? 0 : 1);
		}
		close(big[1]);
		size_t n = 0;
		ssize_t r;

		while ((r = read(big[0], (char *)got + n, sizeof(got) - n)) > 0)
			n += (size_t)r;
		close(big[0]);
		if (n != sizeof(got) || memcmp(got, block, n))
			return 4;
		if (waitpid(writer, &status, 0) != writer || status)
			return 5;
	}
	close(there[1]);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 6;
}

/* Maps come and go at the same addresses with other contents; a stale translation shows. */
static int maps(void)
{
	for (uint32_t i = 1; more(); i++) {
		size_t pages = 1 + i * 7 % 100;
		uint32_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return 1;
		for (size_t k = 0; k < pages; k++) {
			if (p[k * 1024])
				return 2;
			p[k * 1024] = i + (uint32_t)k;
		}
		if (i % 16 == 0) {
			pid_t pid = fork();
			int status;

			if (pid == 0) {
				for (size_t k = 0; k < pages; k++)
					p[k * 1024] = 0xdead;
				_exit(0);
			}
			for (size_t k = 0; k < pages; k += 2)
				p[k * 1024] += 5;
			if (waitpid(pid, &status, 0) != pid || status)
				return 3;
			for (size_t k = 0; k < pages; k += 2)
				p[k * 1024] -= 5;
		}
		mprotect(p, pages * PAGE, PROT_READ);
		for (size_t k = 0; k < pages; k++) {
			if (p[k * 1024] != i + (uint32_t)k)
				return 4;
		}
		munmap(p, pages * PAGE);
	}
	return 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long shared, expected;
static volatile int thread_failed;

/* Threads of one process map and unmap while the others run: shootdowns. */
static void *thread(void *arg)
{
	unsigned long own = 0;
	uint8_t tag = (uint8_t)(uintptr_t)arg;

	while (more()) {
		uint8_t *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			thread_failed = 1;
			break;
		}
		memset(p, tag, 8 * PAGE);
		for (int i = 0; i < 50; i++) {
			pthread_mutex_lock(&lock);
			shared++;
			pthread_mutex_unlock(&lock);
			own++;
		}
		for (unsigned i = 0; i < 8 * PAGE; i += 64) {
			if (p[i] != tag)
				thread_failed = 2;
		}
		munmap(p, 8 * PAGE);
	}
	__sync_fetch_and_add(&expected, own);
	return NULL;
}

static int threads(void)
{
	while (more()) {
		pthread_t t[6];
		double keep = end_time;

		end_time = now() + 0.3 < keep ? now() + 0.3 : keep;
		for (uintptr_t i = 0; i < 6; i++) {
			if (pthread_create(&t[i], NULL, thread, (void *)(i + 1)))
				return 1;
		}
		for (int i = 0; i < 6; i++)
			pthread_join(t[i], NULL);
		end_time = keep;
		if (shared != expected || thread_failed)
			return 2 + thread_failed;
	}
	return 0;
}

static volatile sig_atomic_t caught;

static void on_usr(int sig)
{
	(void)sig;
	caught++;
}

static int signals(void)
{
	struct sigaction sa = {.sa_handler = on_usr, .sa_flags = SA_RESTART};
	struct timespec nap = {0, 50000};
	pid_t parent = getpid();
	int status;

	sigaction(SIGUSR1, &sa, NULL);
	pid_t pid = fork();

	if (pid == 0) {
		while (more()) {
			kill(parent, SIGUSR1);
			nanosleep(&nap, NULL);
		}
		_exit(0);
	}
	volatile double x = 1;

	while (more()) {
		/* Floating point under signals: the sum is exact or a register was lost. */
		double sum = 0;

		for (int i = 1; i <= 2000; i++)
			sum += x * i;
		if (sum != 2001000)
			return 1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? 2 : !caught ? 3 : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} kinds[] = {{"forks of forks", forks}, {"execs", execs},
		     {"pipes", pipes},          {"maps", maps},
		     {"threads", threads},      {"signals", signals}};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), MAX = 8 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int each = cpus < 1 ? 1 : cpus > MAX ? MAX : (int)cpus, status;
	pid_t pid[KINDS][MAX];

	if (argc > 1 && !strcmp(argv[1], "leaf"))
		return 23;
	/* A kernel hands words of its command line that it does not know to process 1. */
	if (argc > 1 && atof(argv[1]) > 0)
		seconds = atof(argv[1]);
	ktap_start();
	ktap_note("%d of each kind for %.0f s", each, seconds);
	end_time = now() + seconds;
	for (int k = 0; k < KINDS; k++) {
		for (int i = 0; i < each; i++) {
			pid[k][i] = fork();
			if (pid[k][i] == 0) {
				alarm((unsigned)seconds * 4 + 60);
				_exit(kinds[k].fn());
			}
		}
	}
	for (int k = 0; k < KINDS; k++) {
		int bad = 0;

		for (int i = 0; i < each; i++) {
			status = -1;
			if (pid[k][i] < 0 || waitpid(pid[k][i], &status, 0) != pid[k][i])
				status = -1;
			if (status)
				bad = status;
		}
		if (!ktap_ok(bad == 0, "%s", kinds[k].name))
			ktap_note("%s", bad == -1 ? "no child" : ktap_status(bad));
	}
	CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "no child is left over");
	return ktap_end();
}
