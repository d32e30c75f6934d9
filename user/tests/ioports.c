/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/* CFLAGS: -pthread */
/*
 * ioperm and iopl: the ports that were given and no others, on every CPU, to the threads that have
 * them. What holds on Linux must hold here. Port 0x80 is the POST code's: writing there does
 * nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static sigjmp_buf out;
static __thread volatile int trapped;

static void on_segv(int sig)
{
	(void)sig;
	trapped = 1;
	siglongjmp(out, 1);
}

enum how { OUT8, OUT16, OUT32, IN8, CLI };

/* Whether it is allowed. Reading a port that nobody has does no harm either. */
static bool may(enum how how, uint16_t port)
{
	trapped = 0;
	if (sigsetjmp(out, 1) == 0) {
		switch (how) {
		case OUT8:
			__asm__ volatile("outb %b0, %w1" ::"a"(0), "d"(port));
			break;
		case OUT16:
			__asm__ volatile("outw %w0, %w1" ::"a"(0), "d"(port));
			break;
		case OUT32:
			__asm__ volatile("outl %0, %w1" ::"a"(0), "d"(port));
			break;
		case IN8:
			__asm__ volatile("inb %w1, %b0" : : "a"(0), "d"(port));
			break;
		case CLI:
			__asm__ volatile("cli");
			break;
		}
	}
	return !trapped;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void one(void)
{
	CHECK(!may(OUT8, 0x80) && !may(IN8, 0x80), "without a call no port is allowed");
	CHECK(ioperm(0x80, 0, 1) == -1 && errno == EINVAL, "no ports is EINVAL");
	CHECK(ioperm(0xffff, 2, 1) == -1 && errno == EINVAL, "beyond 65535 is EINVAL");
	CHECK(ioperm(~0ul, 2, 1) == -1 && errno == EINVAL, "all round is EINVAL");
	CHECK(ioperm(0x80, 1, 0) == 0, "to give up what one has not is no error");
	CHECK(ioperm(0x80, 1, 1) == 0 && may(OUT8, 0x80) && may(IN8, 0x80), "port 0x80");
	CHECK(!may(OUT8, 0x81) && !may(OUT8, 0x7f) && !may(OUT8, 0x3f8), "and no other");
	CHECK(!may(OUT16, 0x80) && !may(OUT32, 0x80) && !may(OUT16, 0x7f),
	      "a wider access needs all of its ports");
	CHECK(ioperm(0x81, 3, 1) == 0 && may(OUT32, 0x80) && !may(OUT32, 0x82), "four of them");
	CHECK(ioperm(0xffff, 1, 1) == 0 && may(OUT8, 0xffff), "the last one");
	CHECK(!may(OUT16, 0xffff), "which has none behind it");
	CHECK(ioperm(0x81, 3, 0) == 0 && may(OUT8, 0x80) && !may(OUT8, 0x81), "given up again");
}

static void every_cpu(unsigned cpus)
{
	unsigned good = 0;

	for (unsigned i = 0; i < 40; i++) {
		pin(i % cpus);
		good += may(OUT8, 0x80) && !may(OUT8, 0x81);
	}
	CHECK(good == 40, "the same on each of %u CPUs", cpus);
}

static int child_inherits(void *arg)
{
	(void)arg;
	return may(OUT8, 0x80) && !may(OUT8, 0x81) && ioperm(0x81, 1, 1) == 0 && may(OUT8, 0x81) &&
			       ioperm(0x80, 1, 0) == 0 && !may(OUT8, 0x80)
		       ? 0
		       : 1;
}

/* Two processes take turns on one CPU; only one has the port. */
static int child_without(void *arg)
{
	int *pipes = arg;
	unsigned bad = 0;
	char c;

	ioperm(0x80, 1, 0);
	ioperm(0xffff, 1, 0);
	while (read(pipes[0], &c, 1) == 1 && c != 'q') {
		bad += may(OUT8, 0x80);
		if (write(pipes[3], &c, 1) != 1)
			return 2;
	}
	return bad != 0;
}

static void turns(void)
{
	int p[4], status, pid;
	unsigned good = 0;
	char c = 'x';

	pin(0);
	if (pipe(p) || pipe(p + 2))
		return;
	pid = fork();
	if (pid == 0)
		_exit(child_without(p));
	for (unsigned i = 0; i < 200; i++) {
		good += may(OUT8, 0x80);
		if (write(p[1], &c, 1) != 1 || read(p[2], &c, 1) != 1)
			break;
	}
	c = 'q';
	good += write(p[1], &c, 1) != 1;
	waitpid(pid, &status, 0);
	CHECK(good == 200 && status == 0, "200 turns with a process that has none: %s",
	      ktap_status(status));
}

static pthread_barrier_t barrier;

static void *other_thread(void *arg)
{
	pin(0);
	pthread_barrier_wait(&barrier); /* the first thread gets one more port now */
	pthread_barrier_wait(&barrier);
	*(bool *)arg = may(OUT8, 0x80) && !may(OUT8, 0x84);
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	bool right = false;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&t, NULL, other_thread, &right);
	pthread_barrier_wait(&barrier);
	CHECK(ioperm(0x84, 1, 1) == 0, "a port for one thread");
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
	CHECK(right, "is not the other's, which has what it began with");
	CHECK(may(OUT8, 0x84), "and stays the first one's");
}

/* Pages under each CPU's user root, by the kernel's own words; -1: it says nothing of that. */
static int pages_of(unsigned cpu)
{
	FILE *f = fopen("/proc/kaiser", "r");
	char line[160], want[32];
	int pages = -1;

	snprintf(want, sizeof(want), "check:\tcpu %u: ", cpu);
	while (f && fgets(line, sizeof(line), f)) {
		int n;

		if (strstr(line, "ERROR"))
			ktap_note("%.*s", (int)strcspn(line, "\n"), line);
		if (!strncmp(line, want, strlen(want)) &&
		    sscanf(line + strlen(want), "%d supervisor pages", &n) == 1)
			pages = n;
		if (strstr(line, "NOT isolated"))
			pages = -2;
	}
	if (f)
		fclose(f);
	return pages;
}

static void pages(unsigned cpus)
{
	int mine, others = 4;

	pin(0);
	mine = pages_of(0);
	for (unsigned i = 1; i < cpus; i++)
		others = pages_of(i) == 4 ? others : pages_of(i);
	if (mine == -1) {
		ktap_skip("pages under the user root", "nothing is isolated, or this is Linux");
		return;
	}
	CHECK(mine == 7 && others == 4, "the bitmap's three pages here, none elsewhere (%d, %d)",
	      mine, others);
}

static int child_plain(void *arg)
{
	(void)arg;
	ioperm(0, 65536, 0);
	return 0;
}

static void all(void)
{
	uint64_t flags;

	CHECK(iopl(4) == -1 && errno == EINVAL, "iopl(4) is EINVAL");
	CHECK(iopl(2) == 0 && !may(OUT8, 0x85), "iopl(2) allows no port");
	CHECK(iopl(3) == 0 && may(OUT8, 0x85) && may(OUT32, 0x80) && may(IN8, 0xffff),
	      "iopl(3) allows all");
	CHECK(!may(CLI, 0), "but not CLI");
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	CHECK(!(flags >> 12 & 3), "since IOPL itself is 0");
	CHECK(iopl(0) == 0 && !may(OUT8, 0x85) && may(OUT8, 0x80),
	      "iopl(0) leaves what ioperm gave");
}

static int child_unprivileged(void *arg)
{
	(void)arg;
	if (setuid(1000))
		return 1;
	if (ioperm(0x90, 1, 1) != -1 || errno != EPERM)
		return 2;
	if (iopl(3) != -1 || errno != EPERM)
		return 3;
	return may(OUT8, 0x80) && !may(OUT8, 0x90) ? 0 : 4;
}

int main(void)
{
	struct sigaction a = {.sa_flags = SA_NODEFER};
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	int status;

	a.sa_handler = on_segv;
	ktap_start();
	sigaction(SIGSEGV, &a, NULL);
	one();
	every_cpu(cpus);
	status = ktap_child(child_inherits, NULL);
	CHECK(status == 0, "a fork has them, and its own from there on: %s", ktap_status(status));
	CHECK(may(OUT8, 0x80) && !may(OUT8, 0x81), "its changes are not the parent's");
	turns();
	threads();
	pages(cpus);
	all();
	status = ktap_child(child_unprivileged, NULL);
	CHECK(status == 0, "without privilege one keeps ports and gets none: %s",
	      ktap_status(status));
	status = ktap_child(child_plain, NULL);
	CHECK(status == 0 && may(OUT8, 0x80), "all given up by a child, not by us");
	return ktap_end();
}
