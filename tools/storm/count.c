/* SPDX-License-Identifier: MIT */
/*
 * The path once more, by a plugin inside QEMU (plugin/tracer.c) while the guest runs free: nothing
 * of it comes from QEMU's log or from the stub's steps. It must tell the same instructions of entry
 * code and user mode in the same order, and so no point was lost.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storm.h"
#include "trace.h"

/* A timer may come in between; or the kernel has another process run first for a while, so that
 * each few tries it is logged anew. */
#define TRIES 32
#define FEW   8

_Static_assert(TRACE_MOST == MAX_STEPS, "a trace is compared with a path's steps");

int storm_count_open(struct storm_guest *g)
{
	int fd = open(g->trace_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, sizeof(*g->trace)))
		p = mmap(NULL, sizeof(*g->trace), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	g->trace = p == MAP_FAILED ? NULL : p;
	return g->trace ? 0 : -1;
}

void storm_count_close(struct storm_guest *g)
{
	if (g->trace)
		munmap(g->trace, sizeof(*g->trace));
	g->trace = NULL;
}

/* One free run to the path's end; 0, 1 it does not come there, 2. */
static int traced(struct storm *s, struct storm_run *run)
{
	struct storm_trace *t = s->guest.trace;
	uint64_t end = 0;
	int r = storm_go(s, run, UINT32_MAX);

	if (r)
		return r;
	storm_image_find(s->program, run->path->end, &end);
	storm_say(s, "Z0,%" PRIx64 ",1", end);
	storm_say(s, "c");
	t->count = 0;
	t->on = 1;
	r = storm_send(s);
	t->on = 0;
	if (r != 1)
		return r < 0 ? 2 : 1;
	storm_say(s, "z0,%" PRIx64 ",1", end);
	return storm_home(s);
}

/* The first instruction that only one of them has, or where one ends. */
static unsigned common(const struct storm_trace *t, const struct storm_run *run)
{
	unsigned i = 0;

	while (i < run->steps && i < t->count && t->rip[i] == run->step[i].rip)
		i++;
	return i;
}

static void name(struct storm *s, bool there, uint64_t rip, char *buf, size_t size)
{
	if (there)
		storm_place(s, rip, buf, size);
	else
		snprintf(buf, size, "the end");
}

int storm_count(struct storm *s, struct storm_run *run)
{
	const struct storm_trace *t = s->guest.trace;
	char log[200], trace[200];
	unsigned i;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		if ((tries && tries % FEW == 0 && storm_record(s, run)) || traced(s, run)) {
			snprintf(s->what, sizeof(s->what), "traced by the plugin it does not end");
			storm_failure(s, run, NULL, 0);
			return -1;
		}
		i = common(t, run);
		if (i == run->steps && i == t->count)
			return (int)t->count;
	}
	name(s, i < run->steps, i < run->steps ? run->step[i].rip : 0, log, sizeof(log));
	name(s, i < t->count, t->rip[i < MAX_STEPS ? i : 0], trace, sizeof(trace));
	snprintf(s->what, sizeof(s->what),
		 "instruction %u is %s in the log, %s in the plugin's trace", i, log, trace);
	storm_failure(s, run, NULL, 0);
	return (int)t->count;
}
