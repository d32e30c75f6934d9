/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "qmp.h"

#define ANSWER 20000

static int fail(struct qmp *q, const char *what)
{
	snprintf(q->error, sizeof(q->error), "qmp: %s", what);
	return -1;
}

/* 1: a line is in q->line; 0: timeout; -1. Events are noted on the way. */
static int get_line(struct qmp *q, int timeout)
{
	for (;;) {
		char *end = memchr(q->buf, '\n', q->got);

		if (end) {
			size_t n = (size_t)(end - q->buf);

			memcpy(q->line, q->buf, n);
			q->line[n] = 0;
			q->got -= n + 1;
			memmove(q->buf, end + 1, q->got);
			return 1;
		}
		if (q->got == sizeof(q->buf))
			return fail(q, "a line too long");
		struct pollfd p = {.fd = q->fd, .events = POLLIN};
		int r;

		do
			r = poll(&p, 1, timeout);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return 0;
		ssize_t n = r < 0 ? -1 : read(q->fd, q->buf + q->got, sizeof(q->buf) - q->got);

		if (n <= 0)
			return fail(q, "the connection is closed");
		q->got += (size_t)n;
	}
}

static void note_event(struct qmp *q)
{
	const char *key = "\"reason\": \"", *p = strstr(q->line, key);

	if (strstr(q->line, "\"SHUTDOWN\""))
		snprintf(q->shutdown, sizeof(q->shutdown), "%.*s",
			 p ? (int)strcspn(p + strlen(key), "\"") : 1, p ? p + strlen(key) : "?");
}

int qmp_poll(struct qmp *q, int timeout)
{
	int r;

	while ((r = get_line(q, timeout)) == 1) {
		note_event(q);
		timeout = 0;
	}
	return r;
}

int qmp_execute(struct qmp *q, const char *command, const char *arguments)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "{\"execute\": \"%s\"%s%s}\n", command,
			 arguments ? ", \"arguments\": " : "", arguments ? arguments : "");

	if (n >= (int)sizeof(text))
		return fail(q, "a command too long");
	if (send(q->fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
		qmp_poll(q, 0); /* QEMU may have said why */
		return fail(q, "the connection is closed");
	}
	for (;;) {
		int r = get_line(q, ANSWER);

		if (r == 0)
			return fail(q, "no answer");
		if (r < 0)
			return -1;
		if (strstr(q->line, "\"return\""))
			return 0;
		if (strstr(q->line, "\"error\"")) {
			snprintf(q->error, sizeof(q->error), "qmp: %.180s", q->line);
			return -1;
		}
		note_event(q);
	}
}

int qmp_monitor(struct qmp *q, const char *command)
{
	char arguments[1024];
	size_t n = (size_t)snprintf(arguments, sizeof(arguments), "{\"command-line\": \"");

	for (; *command && n < sizeof(arguments) - 8; command++) {
		if (*command == '"' || *command == '\\')
			arguments[n++] = '\\';
		arguments[n++] = *command;
	}
	strcpy(arguments + n, "\"}");
	return qmp_execute(q, "human-monitor-command", arguments);
}

int qmp_open(struct qmp *q, const char *path, int timeout)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memset(q, 0, sizeof(*q));
	q->fd = -1;
	if (strlen(path) >= sizeof(a.sun_path))
		return fail(q, "the socket's path is too long");
	strcpy(a.sun_path, path);
	for (int waited = 0;; waited += 10) {
		q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (q->fd >= 0 && connect(q->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		if (q->fd >= 0)
			close(q->fd);
		q->fd = -1;
		if (waited >= timeout)
			return fail(q, "cannot connect");
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	if (get_line(q, ANSWER) != 1)
		return fail(q, "no greeting");
	return qmp_execute(q, "qmp_capabilities", NULL);
}

void qmp_close(struct qmp *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
}
