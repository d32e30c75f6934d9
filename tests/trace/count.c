/* SPDX-License-Identifier: MIT */
/*
 * /init under the trace, on one CPU or two: each operation a few times between marks, which
 * trace.c turns into counts of CR3 writes and flushes. Marks are NOPs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE     4096
#define TIMES    5
#define MARK(id) __asm__ volatile("nopl 0x4b410000+%c0(%%rax)" ::"i"(id) : "memory")
#define START()  MARK(1)

enum {
	SYSCALL = 10,
	FAULT,
	SWITCH_2, /* a byte to another process and one back: two switches */
	SWITCH_8, /* round a ring of eight: eight switches */
	MUNMAP_1,
	MUNMAP_33,
	MUNMAP_10000,
	FORK,
	EXEC,
	EXIT,
	MUNMAP_SHARED, /* a page, while a thread runs on the other CPU */
};

static int on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static char *pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < n; i++)
		((volatile char *)p)[i * PAGE] = 1;
	return p;
}

static void op_syscall(void)
{
	START();
	syscall(SYS_getppid);
	MARK(SYSCALL);
}

static void op_fault(void)
{
	volatile char *p =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	p[0] = 1; /* makes the tables */
	START();
	p[PAGE] = 1;
	MARK(FAULT);
	munmap((void *)p, 4 * PAGE);
}

/* A ring of n processes, this one among them. */
static void ring(int n, int times)
{
	int fd[8][2];
	char b = 'x';

	for (int i = 0; i < n; i++)
		if (pipe(fd[i]))
			abort();
	for (int i = 1; i < n; i++)
		if (fork() == 0) {
			while (read(fd[i][0], &b, 1) == 1 && b != 'q')
				if (write(fd[(i + 1) % n][1], &b, 1) != 1)
					_exit(1);
			b = 'q';
			if (write(fd[(i + 1) % n][1], &b, 1) != 1)
				_exit(1);
			_exit(0);
		}
	for (int i = 0; i < times + 2; i++) {
		if (i > 1)
			START();
		if (write(fd[1][1], &b, 1) != 1 || read(fd[0][0], &b, 1) != 1)
			abort();
		if (i > 1 && n == 2)
			MARK(SWITCH_2);
		else if (i > 1)
			MARK(SWITCH_8);
	}
	b = 'q';
	if (write(fd[1][1], &b, 1) != 1 || read(fd[0][0], &b, 1) != 1)
		abort();
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < n; i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
}

static void op_munmap(void)
{
	char *p = pages(1), *q = pages(33);

	START();
	munmap(p, PAGE);
	MARK(MUNMAP_1);
	START();
	munmap(q, 33 * PAGE);
	MARK(MUNMAP_33);
}

/* Last: making the pages takes most of the time. */
static void op_munmap_many(void)
{
	char *p = pages(10000);

	START();
	munmap(p, 10000ul * PAGE);
	MARK(MUNMAP_10000);
}

/* fork: until it returns in the parent. exit: from the child's exit to the parent's return from
 * waiting for it; it holds two switches. exec: until the new program's first instructions in main,
 * which are one mark. */
static void op_processes(char *self)
{
	char *args[] = {self, "exec", NULL};
	int fd[2];
	char b;
	pid_t pid;

	if (pipe(fd))
		abort();
	START();
	pid = fork();
	if (pid == 0) {
		if (read(fd[0], &b, 1) == 1) {
			START();
			_exit(0);
		}
		_exit(1);
	}
	MARK(FORK);
	if (write(fd[1], "x", 1) != 1)
		abort();
	waitpid(pid, NULL, 0);
	MARK(EXIT);
	close(fd[0]);
	close(fd[1]);
	pid = fork();
	if (pid == 0) {
		START();
		execv(self, args);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static volatile int spin = 1, running;

static void *spinner(void *arg)
{
	on_cpu(1);
	running = 1;
	while (spin)
		;
	return arg;
}

static void op_shared(void)
{
	pthread_t t;

	if (on_cpu(1) || on_cpu(0) || pthread_create(&t, NULL, spinner, NULL))
		return;
	while (!running)
		sched_yield();
	for (int i = 0; i < TIMES; i++) {
		char *p = pages(1);
		START();
		munmap(p, PAGE);
		MARK(MUNMAP_SHARED);
	}
	spin = 0;
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec")) {
		MARK(EXEC);
		return 0;
	}
	on_cpu(0);
	for (int i = 0; i < TIMES; i++) {
		op_syscall();
		op_fault();
	}
	ring(2, TIMES); /* up to here tests/trace.t follows it */
	ring(8, TIMES);
	for (int i = 0; i < TIMES; i++)
		op_processes("/init");
	for (int i = 0; i < TIMES; i++)
		op_munmap();
	op_shared();
	op_munmap_many();
	printf("count: done\n");
	reboot(RB_POWER_OFF);
	return 0;
}
