/* SPDX-License-Identifier: MIT */
/* Threads over clone and futex, as the C library makes them. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

#define THREADS 8
#define ROUNDS  20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long total, turn;
static __thread unsigned long mine;
static int word;

static void *adder(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		total++;
		pthread_mutex_unlock(&lock);
		mine++;
	}
	*(unsigned long *)arg = mine;
	return (void *)(uintptr_t)syscall(SYS_gettid);
}

/* Each waits for its turn: a ring of wake-ups. */
static void *taker(void *arg)
{
	unsigned long me = (unsigned long)(uintptr_t)arg;

	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&lock);
		while (turn % THREADS != me)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static int leave_with_threads(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, sleeper, NULL);
	return 11; /* exit_group takes them along */
}

static int die_with_threads(void *arg)
{
	leave_with_threads(arg);
	kill(getpid(), SIGTERM);
	pause();
	return 0;
}

static long futex(int *p, int op, int val, struct timespec *t)
{
	return syscall(SYS_futex, p, op, val, t, NULL, 0);
}

void basic_threads(void)
{
	pthread_t t[THREADS];
	unsigned long own[THREADS] = {0};
	bool made = true, locals = true, ids = true;
	struct timespec ms = {0, 5000000};
	void *r;

	for (int i = 0; i < THREADS; i++)
		made = made && pthread_create(&t[i], NULL, adder, &own[i]) == 0;
	CHECK(made, "eight threads");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &r);
		ids = ids && (pid_t)(uintptr_t)r != getpid();
		locals = locals && own[i] == ROUNDS;
	}
	CHECK(total == (unsigned long)THREADS * ROUNDS, "a mutex keeps every addition");
	CHECK(locals, "thread-local data is each thread's own");
	CHECK(ids, "gettid differs");
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, taker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK(turn == THREADS * 200, "a ring of condition variables");
	CHECK(futex(&word, FUTEX_WAIT, 1, NULL) == -1 && errno == EAGAIN, "futex: EAGAIN");
	CHECK(futex(&word, FUTEX_WAIT, 0, &ms) == -1 && errno == ETIMEDOUT, "futex: ETIMEDOUT");
	CHECK(futex(&word, FUTEX_WAKE, 1, NULL) == 0, "futex wakes nobody");
	int status = ktap_child(leave_with_threads, NULL);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 11, "exit_group with threads");
	status = ktap_child(die_with_threads, NULL);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
	      "a fatal signal takes all threads");
}
