/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * Lost wake-ups: whoever sleeps in a pipe, in poll() or on a file's position is woken by others on
 * all CPUs, "wakeups ROUNDS" times (or 4000), in the orders in which a waker that looks whether
 * anybody sleeps could miss one. A lost one is a child that SIGALRM ends. Descriptors are closed
 * and made while another thread uses them, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define THREADS 4

static unsigned rounds = 4000;

/* A byte there and back; the reader waits in read() or in poll(). */
static int ping_pong(void *arg)
{
	bool polls = arg != NULL;
	int to[2], from[2];
	unsigned char c = 0, d;

	if (pipe(to) || pipe(from))
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				_exit(2);
		_exit(0);
	}
	for (unsigned i = 0; i < rounds; i++) {
		struct pollfd p = {.fd = from[0], .events = POLLIN};

		c = (unsigned char)i;
		if (write(to[1], &c, 1) != 1)
			return 3;
		if (polls && (poll(&p, 1, -1) != 1 || p.revents != POLLIN))
			return 4;
		if (read(from[0], &d, 1) != 1 || d != c)
			return 5;
	}
	close(to[1]);

	int status;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 6;
}

/* A full pipe: writers sleep as well; what each writes is whole (up to 4096 bytes). */
static int full_pipe(void *arg)
{
	int p[2];
	unsigned got[THREADS] = {0};
	unsigned char buf[200];

	(void)arg;
	if (pipe(p) || fcntl(p[0], F_SETPIPE_SZ, 4096) != 4096)
		return 1;
	for (int w = 0; w < THREADS; w++) {
		if (fork())
			continue;
		memset(buf, w, sizeof(buf));
		for (unsigned i = 0; i < rounds; i++)
			if (write(p[1], buf, sizeof(buf)) != sizeof(buf))
				_exit(2);
		_exit(0);
	}
	close(p[1]);
	for (;;) {
		ssize_t n = 0;

		while (n < (ssize_t)sizeof(buf)) {
			ssize_t r = read(p[0], buf + n, sizeof(buf) - (size_t)n);

			if (r == 0 && n == 0)
				goto end;
			if (r <= 0)
				return 3;
			n += r;
		}
		for (size_t i = 1; i < sizeof(buf); i++)
			if (buf[i] != buf[0])
				return 4;
		if (buf[0] >= THREADS)
			return 5;
		got[buf[0]]++;
	}
end:
	for (int w = 0; w < THREADS; w++)
		if (got[w] != rounds)
			return 6;
	return 0;
}

static int shared = -1;

static void *append_bytes(void *arg)
{
	for (unsigned i = 0; i < rounds; i++)
		if (write(shared, arg, 1) != 1)
			return arg;
	return NULL;
}

/* All threads write at one position, a sleeping lock's; none of the bytes may be lost. */
static int one_position(void *arg)
{
	static char mark[THREADS] = "abcd";
	pthread_t t[THREADS];
	void *bad = NULL, *r;

	(void)arg;
	shared = open("/wakeups", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (shared < 0)
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, append_bytes, &mark[i]))
			return 2;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &r);
		bad = r ? r : bad;
	}
	if (bad)
		return 3;

	unsigned count[THREADS] = {0};
	unsigned char c;
	lseek(shared, 0, SEEK_SET);
	while (read(shared, &c, 1) == 1)
		if (c >= 'a' && c < 'a' + THREADS)
			count[c - 'a']++;
	for (int i = 0; i < THREADS; i++)
		if (count[i] != rounds)
			return 4;
	return 0;
}

static bool stop;
static int changing;

/* Now one pipe, now none, now the other: read() finds its byte or a bad descriptor. */
static void *reads(void *arg)
{
	unsigned char c;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		ssize_t n = read(changing, &c, 1);

		if (n == 1 ? c != 'x' && c != 'y' : n != -1 || (errno != EBADF && errno != EAGAIN))
			return &stop;
	}
	return arg;
}

static int changed_under_way(void *arg)
{
	int p[2][2];
	pthread_t t;
	void *bad;

	(void)arg;
	for (int i = 0; i < 2; i++)
		if (pipe2(p[i], O_NONBLOCK))
			return 1;
	changing = 100;
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	if (pthread_create(&t, NULL, reads, NULL))
		return 2;
	for (unsigned i = 0; i < rounds; i++) {
		ssize_t n = write(p[i & 1][1], i & 1 ? "y" : "x", 1);

		if (n != 1 && errno != EAGAIN)
			return 3;
		if (dup2(p[i & 1][0], changing) != changing)
			return 4;
		if (i % 7 == 0)
			sched_yield();
		if (i % 3 == 0)
			close(changing);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(t, &bad);
	return bad ? 5 : 0;
}

static void *reads_once(void *arg)
{
	unsigned char c = 0;

	return read(changing, &c, 1) == 1 && c == 'z' ? NULL : arg;
}

/* Who sleeps in read() keeps the pipe's end open although its descriptor is closed. */
static int closed_under_way(void *arg)
{
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < 20; i++) {
		int p[2];
		pthread_t t;
		void *bad;

		if (pipe(p))
			return 1;
		changing = p[0];
		if (pthread_create(&t, NULL, reads_once, &p))
			return 2;
		usleep(2000);
		close(p[0]);
		if (write(p[1], "z", 1) != 1)
			return 3;
		pthread_join(t, &bad);
		close(p[1]);
		if (bad)
			return 4;
	}
	return arg != NULL;
}

static void run(int (*fn)(void *), void *arg, const char *what)
{
	int status = ktap_child(fn, arg);

	CHECK(status == 0, "%s: %s", what, ktap_status(status));
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strtoul(argv[i], NULL, 0) > 0)
			rounds = (unsigned)strtoul(argv[i], NULL, 0);
	ktap_start();
	run(ping_pong, NULL, "a byte to and fro, awaited by read()");
	run(ping_pong, argv, "a byte to and fro, awaited by poll()");
	run(full_pipe, NULL, "four writers of a full pipe");
	run(one_position, NULL, "four threads at one file's position");
	run(changed_under_way, NULL, "a descriptor that changes while it is read");
	run(closed_under_way, NULL, "a descriptor that is closed while somebody waits for it");
	return ktap_end();
}
