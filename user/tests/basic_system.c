/* SPDX-License-Identifier: MIT */
/* The system's name and numbers, and who gets the CPU. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

struct counts {
	unsigned cpus;
	unsigned long long user, nice, system, idle, sum, intr, ctxt, forks;
};

static void read_stat(struct counts *n)
{
	char line[1024];
	FILE *f = fopen("/proc/stat", "r");

	memset(n, 0, sizeof(*n));
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long u, ni, s, i;
		unsigned cpu;

		if (!strncmp(line, "cpu ", 4))
			sscanf(line + 4, "%llu %llu %llu %llu", &n->user, &n->nice, &n->system,
			       &n->idle);
		else if (sscanf(line, "cpu%u %llu %llu %llu %llu", &cpu, &u, &ni, &s, &i) == 5) {
			n->cpus++;
			n->sum += u + ni + s + i;
		}
		sscanf(line, "intr %llu", &n->intr);
		sscanf(line, "ctxt %llu", &n->ctxt);
		sscanf(line, "processes %llu", &n->forks);
	}
	if (f)
		fclose(f);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int nothing(void *arg)
{
	return arg != NULL;
}

static void test_stat(void)
{
	struct counts a, b;
	double end = seconds() + 0.3;
	cpu_set_t set;

	read_stat(&a);
	ktap_child(nothing, NULL);
	while (seconds() < end) /* a system call: most of the time is to pass between two */
		for (volatile int i = 0; i < 20000; i++)
			;
	read_stat(&b);
	sched_getaffinity(0, sizeof(set), &set);
	CHECK(a.cpus >= (unsigned)CPU_COUNT(&set) && b.cpus == a.cpus, "a line for each of %u CPUs",
	      a.cpus);
	unsigned long long all = b.user + b.nice + b.system + b.idle;

	CHECK(b.sum <= all + 4 * b.cpus + 400 && all <= b.sum + 4 * b.cpus + 400,
	      "that sum up to the first line");
	CHECK(b.user + b.nice >= a.user + a.nice + 5, "computing is user time");
	CHECK(b.intr > a.intr && b.ctxt > a.ctxt && b.forks > a.forks,
	      "interrupts, switches and forks are counted");
}

static void test_hostname(void)
{
	char name[80] = "", text[80] = "";

	if (getpid() == 1)
		CHECK(sethostname("guest-of-test", 13) == 0, "sethostname");
	else
		ktap_skip("sethostname", "not the machine's only process");
	FILE *f = fopen("/proc/sys/kernel/hostname", "r");

	if (f && fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = 0;
	if (f)
		fclose(f);
	CHECK(gethostname(name, sizeof(name)) == 0 && !strcmp(name, text) &&
		      (getpid() != 1 || !strcmp(name, "guest-of-test")),
	      "/proc/sys/kernel/hostname (%s, %s)", name, text);
}

static int nice_values(void *arg)
{
	(void)arg;
	if (setpriority(PRIO_PROCESS, 0, 5) || getpriority(PRIO_PROCESS, 0) != 5)
		return 1;
	if (nice(3) != 8 || getpriority(PRIO_PROCESS, (id_t)getpid()) != 8)
		return 2;
	if (nice(100) != 19)
		return 3;
	pid_t pid = fork();

	if (pid == 0)
		_exit(getpriority(PRIO_PROCESS, 0));
	int status = 0;

	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) == 19 ? 0 : 4;
}

/* Two compete for one CPU. */
static void test_share(void)
{
	volatile struct {
		unsigned long loops[2];
		int ready[2], go, stop;
	} *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec nap = {1, 0}, moment = {0, 1000000};
	cpu_set_t all, one;
	pid_t pids[2];
	int cpu = 0;

	sched_getaffinity(0, sizeof(all), &all);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			alarm(20);
			sched_setaffinity(0, sizeof(one), &one);
			setpriority(PRIO_PROCESS, 0, i ? 19 : 0);
			s->ready[i] = 1;
			while (!s->go)
				;
			while (!s->stop)
				s->loops[i]++;
			_exit(0);
		}
	}
	for (int i = 0; i < 5000 && !(s->ready[0] && s->ready[1]); i++)
		nanosleep(&moment, NULL);
	s->go = 1;
	nanosleep(&nap, NULL);
	s->stop = 1;
	unsigned long a = s->loops[0], b = s->loops[1];

	for (int i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
	CHECK(a > 2 * b, "nice 19 leaves nice 0 most of a CPU (%lu, %lu)", a, b);
	CHECK(b > 0, "and gets some of it");
	munmap((void *)(uintptr_t)s, 4096);
}

void basic_system(void)
{
	test_stat();
	test_hostname();
	int status = ktap_child(nice_values, NULL);

	CHECK(status == 0, "nice, getpriority and setpriority agree (%s)", ktap_status(status));
	test_share();
}
