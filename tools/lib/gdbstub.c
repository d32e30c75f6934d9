/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gdbstub.h"

#define ANSWER 20000 /* a stub that does not answer a question in 20 s is gone */

static int fail(struct gdb *g, const char *what)
{
	snprintf(g->error, sizeof(g->error), "gdbstub: %s", what);
	return -1;
}

/* Next byte; -1 error, -2 timeout. */
static int get_byte(struct gdb *g, int timeout)
{
	if (g->used == g->got) {
		struct pollfd p = {.fd = g->fd, .events = POLLIN};
		int r;

		do
			r = poll(&p, 1, timeout);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return -2;
		ssize_t n = r < 0 ? -1 : read(g->fd, g->buf, sizeof(g->buf));

		if (n <= 0)
			return fail(g, "the connection is closed");
		g->got = (size_t)n;
		g->used = 0;
	}
	return (unsigned char)g->buf[g->used++];
}

static int put_all(struct gdb *g, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(g->fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return fail(g, "the connection is closed");
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* $text#sum, n + 4 bytes and a 0 for n of text. */
static void frame_packet(char *frame, const char *text, size_t n)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (unsigned char)(sum + (unsigned char)text[i]);
	frame[0] = '$';
	memcpy(frame + 1, text, n);
	snprintf(frame + 1 + n, 4, "#%02x", sum);
}

static int put_packet(struct gdb *g, const char *text)
{
	size_t n = strlen(text);
	char *frame = malloc(n + 5);

	if (!frame)
		return fail(g, "out of memory");
	frame_packet(frame, text, n);
	int r = put_all(g, frame, n + 4);

	free(frame);
	return r;
}

/* 1: a packet is in g->packet; 0: timeout; -1. The time limit is for its first byte. */
static int get_packet(struct gdb *g, int timeout, bool acknowledge)
{
	size_t n = 0;
	int c;

	do {
		c = get_byte(g, timeout);
		if (c < 0)
			return c == -2 ? 0 : -1;
	} while (c != '$');
	while ((c = get_byte(g, ANSWER)) != '#') {
		if (c < 0)
			return fail(g, "a packet without an end");
		if (n < sizeof(g->packet) - 1)
			g->packet[n++] = (char)c;
	}
	g->packet[n] = 0;
	if (get_byte(g, ANSWER) < 0 || get_byte(g, ANSWER) < 0)
		return fail(g, "a packet without a sum");
	return acknowledge && put_all(g, "+", 1) ? -1 : 1;
}

/* On connection the stub may report the stop that it caused, at any moment and unasked. */
static bool is_stop(const char *packet)
{
	return packet[0] == 'T' && !strncmp(packet + 3, "thread:", 7);
}

int gdb_command(struct gdb *g, const char *command, int timeout)
{
	if (put_packet(g, command))
		return -1;
	for (;;) {
		int r = get_packet(g, timeout, true);

		if (r == 0)
			return fail(g, "no answer");
		if (r < 0)
			return -1;
		if (command[0] == '?' || !is_stop(g->packet))
			return 0;
	}
}

static void note_stop(struct gdb *g)
{
	char *t = strstr(g->packet, "thread:");

	g->signal =
		(int)strtol((char[3]){g->packet[1], g->packet[1] ? g->packet[2] : 0, 0}, NULL, 16);
	if (t)
		snprintf(g->thread, sizeof(g->thread), "%.*s", (int)strcspn(t + 7, ";"), t + 7);
}

/* The next answer; what monitor commands print, and a stop nobody asked for, is passed over. */
static int batch_answer(struct gdb *g, bool stop, int timeout)
{
	for (;;) {
		int r = get_packet(g, timeout, false);

		if (r <= 0)
			return r;
		if (stop && (g->packet[0] == 'W' || g->packet[0] == 'X'))
			return fail(g, "the guest has ended");
		if (stop ? g->packet[0] == 'T'
			 : !is_stop(g->packet) && (g->packet[0] != 'O' || !strcmp(g->packet, "OK")))
			return 1;
	}
}

int gdb_batch(struct gdb *g, const char *const *command, unsigned n, int timeout)
{
	size_t used = 0, at = 0;
	char *all;
	int r;

	for (unsigned i = 0; i < n; i++)
		used += strlen(command[i]) + 4;
	all = calloc(1, used + 1);
	if (!all || n > GDB_BATCH) {
		free(all);
		return fail(g, "too much at once");
	}
	for (unsigned i = 0; i < n; i++) {
		frame_packet(all + at, command[i], strlen(command[i]));
		at += strlen(command[i]) + 4;
	}
	r = put_all(g, all, used);
	free(all);
	used = 0;
	for (unsigned i = 0; !r && i < n; i++) {
		bool stop = !strcmp(command[i], "c") || !strcmp(command[i], "s");
		size_t len;

		r = batch_answer(g, stop, stop ? timeout : ANSWER);
		if (r <= 0)
			return r < 0 || stop ? r : fail(g, "no answer");
		len = strlen(g->packet) + 1;
		if (used + len > sizeof(g->answers))
			return fail(g, "answers too long");
		g->answer[i] = memcpy(g->answers + used, g->packet, len);
		used += len;
		r = 0;
	}
	return r ? -1 : 1;
}

/* `p` packets speak of the CPU chosen here. */
static int select_thread(struct gdb *g)
{
	char cmd[48];

	snprintf(cmd, sizeof(cmd), "Hg%s", g->thread);
	return gdb_command(g, cmd, ANSWER);
}

int gdb_open(struct gdb *g, const char *path, int timeout)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memset(g, 0, sizeof(*g));
	g->fd = -1;
	if (strlen(path) >= sizeof(a.sun_path))
		return fail(g, "the socket's path is too long");
	strcpy(a.sun_path, path);
	for (int waited = 0;; waited += 10) {
		g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (g->fd >= 0 && connect(g->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		if (g->fd >= 0)
			close(g->fd);
		g->fd = -1;
		if (waited >= timeout)
			return fail(g, "cannot connect");
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	/* The register description must have been read before `p` answers; threads as pPID.TID. */
	if (gdb_command(g, "qSupported:multiprocess+;vContSupported+", ANSWER) ||
	    gdb_command(g, "qXfer:features:read:target.xml:0,ffb", ANSWER) ||
	    gdb_command(g, "vCont?", ANSWER) || gdb_command(g, "?", ANSWER))
		return -1;
	note_stop(g);
	return select_thread(g) || gdb_step_mask(g, 0) ? -1 : 0;
}

void gdb_close(struct gdb *g)
{
	if (g->fd < 0)
		return;
	gdb_command(g, "D;1", 1000);
	close(g->fd);
	g->fd = -1;
}

static int hex_digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t gdb_unhex(const char *p, void *buf, size_t n)
{
	unsigned char *out = buf;
	size_t i = 0;

	for (; i < n && hex_digit(p[2 * i]) >= 0 && hex_digit(p[2 * i + 1]) >= 0; i++)
		out[i] = (unsigned char)(hex_digit(p[2 * i]) << 4 | hex_digit(p[2 * i + 1]));
	return i;
}

static void hex(char *out, const void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", ((const unsigned char *)buf)[i]);
}

int gdb_monitor(struct gdb *g, const char *command, char *out, size_t size)
{
	char cmd[1024] = "qRcmd,";
	size_t n = 0;

	if (strlen(command) > 500)
		return fail(g, "the monitor command is too long");
	hex(cmd + 6, command, strlen(command));
	if (put_packet(g, cmd))
		return -1;
	for (;;) {
		if (get_packet(g, ANSWER, true) <= 0)
			return fail(g, "no answer to a monitor command");
		if (g->packet[0] != 'O' || !strcmp(g->packet, "OK"))
			break;
		if (out && n + 1 < size)
			n += gdb_unhex(g->packet + 1, out + n, size - 1 - n);
	}
	if (out && size)
		out[n] = 0;
	return g->packet[0] == 'E' ? fail(g, "the monitor command was refused") : 0;
}

int gdb_reg(struct gdb *g, int reg, uint64_t *value)
{
	char cmd[16];

	snprintf(cmd, sizeof(cmd), "p%x", (unsigned)reg);
	*value = 0;
	if (gdb_command(g, cmd, ANSWER))
		return -1;
	return gdb_unhex(g->packet, value, 8) >= 4 ? 0 : fail(g, "no such register");
}

int gdb_read(struct gdb *g, uint64_t addr, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t part = len - done < 1024 ? len - done : 1024;
		char cmd[64];

		snprintf(cmd, sizeof(cmd), "m%lx,%zx", addr + done, part);
		if (gdb_command(g, cmd, ANSWER))
			return -1;
		if (gdb_unhex(g->packet, (char *)buf + done, part) != part)
			return fail(g, "memory that cannot be read");
		done += part;
	}
	return 0;
}

int gdb_write(struct gdb *g, uint64_t addr, const void *buf, size_t len)
{
	char cmd[64 + 2 * 512];

	if (len > 512)
		return fail(g, "too much to write at once");
	int n = snprintf(cmd, sizeof(cmd), "M%lx,%zx:", addr, len);

	hex(cmd + n, buf, len);
	if (gdb_command(g, cmd, ANSWER))
		return -1;
	return !strcmp(g->packet, "OK") ? 0 : fail(g, "memory that cannot be written");
}

int gdb_break(struct gdb *g, uint64_t addr, bool set)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "%c0,%lx,1", set ? 'Z' : 'z', addr);
	if (gdb_command(g, cmd, ANSWER))
		return -1;
	return !strcmp(g->packet, "OK") ? 0 : fail(g, "the breakpoint was refused");
}

int gdb_step_mask(struct gdb *g, unsigned hold)
{
	char cmd[32];

	snprintf(cmd, sizeof(cmd), "Qqemu.sstep=%x", 1 | hold);
	if (gdb_command(g, cmd, ANSWER))
		return -1;
	return !strcmp(g->packet, "OK") ? 0 : fail(g, "Qqemu.sstep was refused");
}

int gdb_step(struct gdb *g)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "vCont;s:%s", g->thread);
	if (put_packet(g, cmd))
		return -1;
	int r = gdb_wait(g, ANSWER);

	return r == 1 ? 0 : r < 0 ? -1 : fail(g, "a step that does not end");
}

int gdb_continue(struct gdb *g)
{
	return put_packet(g, "vCont;c");
}

int gdb_wait(struct gdb *g, int timeout)
{
	for (;;) {
		int r = get_packet(g, timeout, true);

		if (r <= 0)
			return r;
		if (g->packet[0] == 'W' || g->packet[0] == 'X')
			return fail(g, "the guest has ended");
		if (g->packet[0] == 'T' || g->packet[0] == 'S')
			break;
	}
	note_stop(g);
	return select_thread(g) ? -1 : 1;
}

int gdb_interrupt(struct gdb *g)
{
	return put_all(g, "\003", 1);
}
