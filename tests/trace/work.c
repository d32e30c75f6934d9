/* SPDX-License-Identifier: MIT */
/*
 * /init under the trace: what changes page tables, again and again, with eight processes in a ring
 * (more than there are slots) and threads on all CPUs that unmap under one another.
 *	work N		N rounds, then power off
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define RING 8

static void must(int ok, const char *what)
{
	if (ok)
		return;
	printf("work: %s failed\n", what);
	reboot(RB_POWER_OFF);
}

static void touch(volatile char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		p[i * PAGE] += 1;
}

/* mmap, touch, mprotect both ways, munmap: one page to more than a flush does by pages. */
static void memory(int pages)
{
	char *p = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	touch(p, pages);
	must(!mprotect(p, (size_t)pages * PAGE, PROT_READ), "mprotect");
	must(!mprotect(p, (size_t)pages * PAGE, PROT_READ | PROT_WRITE), "mprotect");
	touch(p, pages);
	must(!munmap(p, (size_t)pages * PAGE), "munmap");
}

/* A pipe to each of RING children, which pass a byte round. */
static void ring(int turns)
{
	int fd[RING][2];
	char b = 0;

	for (int i = 0; i < RING; i++)
		must(!pipe(fd[i]), "pipe");
	for (int i = 0; i < RING; i++) {
		pid_t pid = fork();
		must(pid >= 0, "fork");
		if (pid)
			continue;
		char *heap = malloc(8 * PAGE);
		for (int t = 0; t < turns; t++) {
			if (read(fd[i][0], &b, 1) != 1)
				_exit(1);
			touch(heap, 4);
			if (t % 4 == 0)
				memory(2);
			if (write(fd[(i + 1) % RING][1], &b, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	must(write(fd[0][1], "x", 1) == 1, "write");
	for (int i = 0; i < RING; i++) {
		int status;
		must(wait(&status) > 0 && status == 0, "child of the ring");
	}
	for (int i = 0; i < RING; i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
}

/* Threads that unmap while the others run: shootdowns. */
static void *thread(void *arg)
{
	for (int i = 0; i < 6; i++)
		memory(1 + (i * 7 + (int)(long)arg) % 40);
	return NULL;
}

static void threads(void)
{
	pthread_t t[3];

	for (long i = 0; i < 3; i++)
		must(!pthread_create(&t[i], NULL, thread, (void *)i), "pthread_create");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void run(char *self)
{
	char *args[] = {self, "child", NULL};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		memory(3);
		execv(self, args);
		_exit(1);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "exec");
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1000;

	if (argc > 1 && !strcmp(argv[1], "child")) {
		memory(5);
		return 0;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 0; i < rounds; i++) {
		ring(6);
		threads();
		run("/init");
		memory(50);
		printf("work: round %d\n", i + 1);
	}
	reboot(RB_POWER_OFF);
	return 0;
}
