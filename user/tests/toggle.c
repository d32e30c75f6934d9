/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c user/tests/toggle_process.c */
/*
 * Isolation switched at run time: who may, what is told, and then COUNT times on and off ("toggle
 * COUNT", or 1000; a kernel hands words of its command line that it does not know to process 1)
 * while every CPU forks, execs, maps, faults and takes signals. Run it with NMIs too. With "toggle
 * COUNT look", isolation stays on for some seconds after each 500, for somebody outside to look.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"
#include "toggle.h"

static unsigned count = 1000;
static bool look;

static int set_mode(const char *word)
{
	int fd = open(SWITCH, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, word, strlen(word)) != (ssize_t)strlen(word))
		err = errno;
	close(fd);
	return err;
}

static void machine(void)
{
	CHECK(told(SWITCH, "") && set_mode("on\n") == 0, "the switch is there, and takes a word");
	CHECK(told(SWITCH, "on"), "it says on");
	CHECK(told("/proc/kaiser", "mode:\ton") && told("/proc/kaiser", "verdict:\tisolated"),
	      "/proc/kaiser says on, and that it is so");
	CHECK(told("/proc/self/status", "Kaiser:\tisolated"), "a process is isolated");
	CHECK(set_mode("off") == 0 && told(SWITCH, "off"), "off");
	CHECK(told("/proc/kaiser", "mode:\toff") &&
		      told("/proc/kaiser", "switched off at run time"),
	      "/proc/kaiser says off, and why");
	CHECK(told("/proc/self/status", "Kaiser:\toff"), "a process is told off");
	CHECK(set_mode("1") == 0 && told(SWITCH, "on"), "1 is on");
	CHECK(set_mode("0") == 0 && told(SWITCH, "off"), "0 is off");
	CHECK(set_mode("auto") == 0 && told("/proc/kaiser", "asked:\tauto"), "auto");
	CHECK(set_mode("maybe") == EINVAL && set_mode("on off") == EINVAL,
	      "an unknown word is refused");
	CHECK(set_mode("on") == 0, "on again");
	CHECK(as_user(may_not_switch) == 0, "only the superuser may write it");
}

/* ---- a workload that checks itself ---- */

static volatile sig_atomic_t stop;

static void on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

/* Registers, memory and signals over every way into the kernel. */
static int works(unsigned n)
{
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART},
			 tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &tick, NULL);
	for (unsigned round = 0; !stop; round++) {
		uint32_t *p = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		double sum = 0;
		int status;
		pid_t pid;

		if (p == MAP_FAILED)
			return 1;
		for (unsigned i = 0; i < 16; i++)
			p[i * 1024] = i * 7 + round;
		if (round % 8 == n % 8) {
			pid = fork();
			if (pid == 0) {
				for (unsigned i = 0; i < 16; i++)
					p[i * 1024] ^= 1; /* a copy on write */
				_exit(p[1024] == ((7 + round) ^ 1) ? 23 : 24);
			}
			if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 23 << 8)
				return 2;
		}
		raise(SIGUSR1);
		for (int i = 1; i <= 100; i++)
			sum += i;
		for (unsigned i = 0; i < 16; i++)
			if (p[i * 1024] != i * 7 + round)
				return 3;
		if (sum != 5050 || getpid() <= 1)
			return 4;
		if (mprotect(p, 16 * 4096, PROT_READ) || munmap(p, 16 * 4096))
			return 5;
	}
	return ticks ? 0 : 6;
}

/* In user mode, with the one process that opted out stopped: what is seen from outside is to be
 * isolated on every CPU. */
static void be_looked_at(pid_t opted_out, unsigned sample)
{
	struct timespec t;
	time_t end;

	kill(opted_out, SIGSTOP);
	if (waitpid(opted_out, NULL, WUNTRACED) != opted_out)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec + 20;
	ktap_note("sample %u: look", sample);
	do {
		for (volatile unsigned i = 0; i < 1000000; i++)
			;
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while (t.tv_sec < end);
	kill(opted_out, SIGCONT);
}

static void storm(void)
{
	enum { MAX = 12 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int each = cpus < 1 ? 1 : cpus > 4 ? 4 : (int)cpus, workers = 2 * each + 1, status;
	unsigned bad = 0, unclean = 0, samples = 0;
	pid_t pid[MAX];

	for (int i = 0; i < workers; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			if (i == 0) /* one that runs without isolation all the time */
				prctl(PR_SET_KAISER, 0, 0, 0, 0);
			_exit(works((unsigned)i));
		}
	}
	for (unsigned i = 0; i < count; i++) {
		bad += set_mode(i & 1 ? "on" : "off") != 0;
		if (i % 100 != 99)
			continue;
		samples++;
		unclean += !told("/proc/kaiser", "mode:\ton") || told("/proc/kaiser", "ERROR") ||
			   !told("/proc/kaiser", "verdict:\tisolated");
		if (look && i % 500 == 499)
			be_looked_at(pid[0], i / 500 + 1);
	}
	CHECK(bad == 0, "%u switches of the mode", count);
	CHECK(unclean == 0, "/proc/kaiser finds all as it should be, %u times", samples);
	for (int i = 0; i < workers; i++)
		kill(pid[i], SIGTERM);
	for (int i = 0; i < workers; i++) {
		if (waitpid(pid[i], &status, 0) != pid[i] || status) {
			bad++;
			ktap_note("worker %d: %s", i, ktap_status(status));
		}
	}
	CHECK(bad == 0, "%d processes saw nothing of it", workers);
	CHECK(told("/proc/kaiser", "opted_out:\t0"), "none that opted out is left");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "report"))
		return prctl(PR_GET_KAISER, 0, 0, 0, 0);
	if (argc > 1 && atoi(argv[1]) > 0)
		count = (unsigned)atoi(argv[1]);
	look = argc > 2 && !strcmp(argv[2], "look");
	ktap_start();
	machine();
	processes(argv[0]);
	storm();
	return ktap_end();
}
