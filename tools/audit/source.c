/* SPDX-License-Identifier: MIT */
/* What all sources share: a page cache of bounded size, and leaving a guest as it was found. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source.h"

#define PAGE  4096u
#define SLOTS 16384u /* 64 MiB */

struct cache {
	uint64_t tag[SLOTS]; /* page number + 1; 0: free */
	uint8_t *page[SLOTS];
};

int source_fail(struct source *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->error, sizeof(s->error), format, ap);
	va_end(ap);
	for (char *p = s->error; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return -1;
}

static bool is_ram(const struct source *s, uint64_t pa, size_t n)
{
	for (unsigned i = 0; i < s->rams; i++)
		if (pa >= s->ram[i].start && pa < s->ram[i].end && n <= s->ram[i].end - pa)
			return true;
	return false;
}

static unsigned slot_of(uint64_t number)
{
	return (unsigned)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 50) % SLOTS;
}

void source_put(struct source *s, uint64_t pa, const void *page)
{
	uint64_t number = pa / PAGE;
	unsigned i = slot_of(number);

	if (!s->cache)
		s->cache = calloc(1, sizeof(*s->cache));
	if (!s->cache)
		return;
	if (!s->cache->page[i])
		s->cache->page[i] = malloc(PAGE);
	s->cache->tag[i] = 0;
	if (!s->cache->page[i])
		return;
	memcpy(s->cache->page[i], page, PAGE);
	s->cost.pages++;
	s->cache->tag[i] = number + 1;
}

int source_read(struct source *s, uint64_t pa, void *buf, size_t n)
{
	uint64_t number = pa / PAGE;
	unsigned i = slot_of(number), offset = (unsigned)(pa % PAGE);
	uint8_t page[PAGE];

	if (offset + n > PAGE || !is_ram(s, pa, n))
		return -1;
	s->cost.reads++;
	if (s->cache && s->cache->tag[i] == number + 1) {
		memcpy(buf, s->cache->page[i] + offset, n);
		return 0;
	}
	s->cost.fetches++;
	if (s->page(s, number * PAGE, page))
		return -1;
	if (!s->cache || s->cache->tag[i] != number + 1)
		source_put(s, number * PAGE, page);
	memcpy(buf, page + offset, n);
	return 0;
}

int source_read_checked(void *s, uint64_t pa, void *buf, size_t n)
{
	return source_read(s, pa, buf, n);
}

void source_forget(struct source *s)
{
	if (s->cache)
		memset(s->cache->tag, 0, sizeof(s->cache->tag));
}

void source_close(struct source *s)
{
	if (s->close)
		s->close(s);
	s->close = NULL;
	for (unsigned i = 0; s->cache && i < SLOTS; i++)
		free(s->cache->page[i]);
	free(s->cache);
	s->cache = NULL;
}

/* ---- signals ---- */

static struct {
	int fd;
	const char *text;
} last_words[2] = {{-1, NULL}, {-1, NULL}};
static volatile sig_atomic_t child;

/* QEMU drops what it has not yet looked at when a connection closes, so its answers are awaited:
 * what it was doing, and then this. */
static void say(int fd, const char *text)
{
	char buf[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
	for (int i = 0; i < 100 && poll(&p, 1, 500) == 1; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n <= 0 || memmem(buf, (size_t)n, "RESUME", 6))
			return;
	}
}

static void on_signal(int sig)
{
	for (unsigned i = 0; i < 2; i++)
		if (last_words[i].fd >= 0)
			say(last_words[i].fd, last_words[i].text);
	if (child > 0)
		kill((pid_t)child, SIGKILL);
	(void)sig;
	(void)!write(2, "kaiser audit: ended by a signal\n", 32);
	_exit(2);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction a = {.sa_handler = on_signal};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &a, NULL);
}

void source_on_signal(int fd, const char *text)
{
	unsigned i = 0;

	while (i < 2 && last_words[i].fd >= 0 && last_words[i].text != text)
		i++;
	if (i == 2)
		return;
	last_words[i].text = text;
	last_words[i].fd = fd;
	catch_signals();
}

void source_on_signal_kill(int pid)
{
	child = pid;
	catch_signals();
}
