/* SPDX-License-Identifier: MIT */
/* The file of paths: JSON, described in docs/storm.md. Every name is checked, nothing is ignored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "storm.h"

struct reader {
	const char *path;
	char *error;
	size_t size;
	bool bad;
};

static void complain(struct reader *r, const char *what, const char *name)
{
	if (!r->bad)
		snprintf(r->error, r->size, "%s: %s%s%s", r->path, what, name ? " " : "",
			 name ? name : "");
	r->bad = true;
}

static void text(struct reader *r, const json_t *v, const char *what, char *to, size_t size)
{
	const char *s = json_string_value(v);

	if (!s || strlen(s) >= size)
		complain(r, "needs a text (and not so long a one) for", what);
	else
		strcpy(to, s);
}

static uint64_t number(struct reader *r, const json_t *v, const char *what)
{
	const char *s = json_string_value(v);
	char *end;
	uint64_t n;

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		return (uint64_t)json_integer_value(v);
	errno = 0;
	n = s ? strtoull(s, &end, 0) : 0;
	if (!s || !*s || *end || errno)
		complain(r, "needs a number for", what);
	return n;
}

static bool boolean(struct reader *r, const json_t *v, const char *what)
{
	if (!json_is_boolean(v))
		complain(r, "needs true or false for", what);
	return json_is_true(v);
}

/* Items of an array, at most max of them. */
static size_t items(struct reader *r, const json_t *v, const char *what, size_t max)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n > max) {
		complain(r, "needs a list (and not so long a one) for", what);
		return 0;
	}
	return n;
}

/* A label of the program that is called after the path, unless it was told. */
static void label(char to[64], const char *before, const struct storm_path *p, const char *behind)
{
	char name[sizeof(p->name)];

	memcpy(name, p->name, sizeof(name));
	if (!to[0])
		snprintf(to, 64, "%s%s%s", before, name, behind);
}

static void read_path(struct reader *r, const json_t *o, struct storm_path *p)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		if (!strcmp(key, "name"))
			text(r, v, key, p->name, sizeof(p->name));
		else if (!strcmp(key, "start"))
			text(r, v, key, p->start, sizeof(p->start));
		else if (!strcmp(key, "end"))
			text(r, v, key, p->end, sizeof(p->end));
		else if (!strcmp(key, "select"))
			text(r, v, key, p->select, sizeof(p->select));
		else if (!strcmp(key, "trigger"))
			text(r, v, key, p->trigger, sizeof(p->trigger));
		else if (!strcmp(key, "append"))
			text(r, v, key, p->append, sizeof(p->append));
		else if (!strcmp(key, "whole"))
			p->whole = boolean(r, v, key);
		else if (!strcmp(key, "why"))
			text(r, v, key, p->why, sizeof(p->why));
		else if (!strcmp(key, "only"))
			p->bochs_only =
				!strcmp(json_string_value(v) ? json_string_value(v) : "", "bochs"),
			p->qemu_only = !p->bochs_only;
		else
			complain(r, "a path has no", key);
	}
	if (!p->name[0])
		complain(r, "a path needs a name", NULL);
	label(p->start, "path_", p, "");
	label(p->end, "path_", p, "_end");
	label(p->select, "do_", p, "");
}

/* Pairs of symbols. */
static void read_ranges(struct reader *r, const json_t *v, const char *what, struct storm_range *to,
			unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const json_t *pair = json_array_get(v, i);

		text(r, json_array_get(pair, 0), what, to[i].from, 64);
		text(r, json_array_get(pair, 1), what, to[i].to, 64);
	}
}

/* {"counter": 1}: those that the kernel has. */
static void read_calls(struct reader *r, const json_t *o, const struct storm_config *c,
		       struct storm_event *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		unsigned i = 0;

		while (i < c->calls && strcmp(c->call[i], key) != 0)
			i++;
		if (i < c->calls)
			e->calls[i] = (uint8_t)number(r, v, key);
		else
			complain(r, "the kernel's calls have no", key);
	}
}

static void read_event(struct reader *r, const char *name, const json_t *o,
		       const struct storm_config *c, struct storm_event *e)
{
	const char *key;
	json_t *v;

	*e = (struct storm_event){.msi = -1, .vector = -1, .behind = -1};
	snprintf(e->name, sizeof(e->name), "%s", name);
	json_object_foreach((json_t *)o, key, v)
	{
		if (!strcmp(key, "monitor")) {
			e->commands = (unsigned)items(r, v, key, 4);
			for (unsigned i = 0; i < e->commands; i++)
				text(r, json_array_get(v, i), key, e->command[i],
				     sizeof(e->command[i]));
		} else if (!strcmp(key, "msi")) {
			e->msi = (int)(number(r, v, key) & 0xffff);
		} else if (!strcmp(key, "breakpoint")) {
			text(r, v, key, e->word, sizeof(e->word));
		} else if (!strcmp(key, "vector")) {
			e->vector = (int)(number(r, v, key) & 255);
		} else if (!strcmp(key, "behind")) {
			e->behind = (int)(number(r, v, key) & 255);
		} else if (!strcmp(key, "calls")) {
			read_calls(r, v, c, e);
		} else if (!strcmp(key, "bochs")) {
			e->bochs = boolean(r, v, key);
		} else if (!strcmp(key, "pends")) {
			e->pends = boolean(r, v, key);
		} else if (!strcmp(key, "unblocks")) {
			e->unblocks = boolean(r, v, key);
		} else if (!strcmp(key, "only")) {
			e->onlys = (unsigned)items(r, v, key, EVENT_RANGES);
			read_ranges(r, v, key, e->only, e->onlys);
		} else if (!strcmp(key, "append")) {
			text(r, v, key, e->append, sizeof(e->append));
		} else {
			complain(r, "an event has no", key);
		}
	}
	e->blocks = e->vector == 2;
	if (!e->commands && e->msi < 0 && !e->word[0])
		complain(r, "an event needs monitor, msi or breakpoint:", name);
}

static void read_offsets(struct reader *r, const json_t *v, const char *what, uint64_t *at)
{
	for (unsigned i = 0; i < 2; i++)
		at[i] = number(r, json_array_get(v, i), what);
	if (at[1] > 4096 || at[0] > at[1] || at[0] % 8 || at[1] % 8)
		complain(r, "needs two offsets of words in a page for", what);
}

static void read_kernel(struct reader *r, const json_t *o, struct storm_config *c)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		if (!strcmp(key, "anchor")) {
			text(r, json_object_get(v, "symbol"), key, c->anchor, sizeof(c->anchor));
			c->anchor_vector =
				(unsigned)number(r, json_object_get(v, "vector"), key) & 255;
		} else if (!strcmp(key, "entry")) {
			c->entries = (unsigned)items(r, v, key, MAX_RANGES);
			read_ranges(r, v, key, c->entry, c->entries);
		} else if (!strcmp(key, "visible")) {
			read_offsets(r, v, key, c->visible);
		} else if (!strcmp(key, "wiped")) {
			read_offsets(r, v, key, c->wiped);
		} else if (!strcmp(key, "calls")) {
			c->calls = (unsigned)items(r, v, key, MAX_CALLS);
			for (unsigned i = 0; i < c->calls; i++)
				text(r, json_array_get(v, i), key, c->call[i], 64);
		} else if (!strcmp(key, "image_offset")) {
			c->image_offset = number(r, v, key);
		} else if (!strcmp(key, "forbid")) {
			c->forbids = (unsigned)items(r, v, key, 4);
			for (unsigned i = 0; i < c->forbids; i++)
				text(r, json_array_get(v, i), key, c->forbid[i], 64);
		} else if (!strcmp(key, "qemu")) {
			c->qemus = (unsigned)items(r, v, key, 16);
			for (unsigned i = 0; i < c->qemus; i++)
				text(r, json_array_get(v, i), key, c->qemu[i], sizeof(c->qemu[i]));
		} else {
			complain(r, "a kernel has no", key);
		}
	}
	if (!c->entries)
		complain(r, "a kernel needs entry", NULL);
}

static void read_program(struct reader *r, const json_t *o, struct storm_config *c)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		if (!strcmp(key, "loop")) {
			text(r, v, key, c->loop, sizeof(c->loop));
		} else if (!strcmp(key, "select")) {
			text(r, v, key, c->select, sizeof(c->select));
		} else if (!strcmp(key, "ignore")) {
			c->ignores = (unsigned)items(r, v, key, MAX_RANGES);
			for (unsigned i = 0; i < c->ignores; i++)
				text(r, json_array_get(v, i), key, c->ignore[i], 64);
		} else {
			complain(r, "a program has no", key);
		}
	}
}

static const char *const context[CONTEXTS] = {"plain", "exception", "nmi"};

/* "UU KU KK": GS and CR3, user's or kernel's, of each state that the design allows. */
static uint8_t states(struct reader *r, const json_t *v, const char *what)
{
	const char *p = json_string_value(v);
	unsigned set = 0;

	for (; p && *p; p += 2, p += *p == ' ') {
		if (!strchr("UK", p[0]) || !p[1] || !strchr("UK", p[1])) {
			complain(r, "states are told like \"UU KU KK\":", what);
			break;
		}
		set |= 1u << STATE(p[0] == 'K', p[1] == 'K');
	}
	return (uint8_t)set;
}

static void read_setups(struct reader *r, const json_t *o, struct storm_config *c)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		struct storm_setup *s = &c->setup[c->setups];

		if (c->setups == MAX_CONFIGS) {
			complain(r, "too many configurations", NULL);
			return;
		}
		snprintf(s->name, sizeof(s->name), "%s", key);
		text(r, json_object_get(v, "append"), key, s->append, sizeof(s->append));
		for (unsigned i = 0; i < CONTEXTS; i++) {
			const json_t *pair = json_object_get(v, context[i]);

			for (unsigned b = 0; pair && b < 2; b++)
				s->allowed[i][b] = states(r, json_array_get(pair, b), key);
			s->told |= !!pair;
		}
		c->setups++;
	}
}

int storm_config_read(struct storm_config *c, const char *path, char *error, size_t size)
{
	struct reader r = {path, error, size, false};
	json_error_t e;
	json_t *top = json_load_file(path, JSON_REJECT_DUPLICATES, &e), *v;
	const char *key;

	memset(c, 0, sizeof(*c));
	if (!top) {
		if (e.line < 0)
			snprintf(error, size, "%s", e.text);
		else
			snprintf(error, size, "%s:%d: %s", path, e.line, e.text);
		return -1;
	}
	v = json_object_get(top, "kernel"); /* the events name its counters */
	if (v)
		read_kernel(&r, v, c);
	json_object_foreach(top, key, v)
	{
		if (!strcmp(key, "kernel")) {
			continue;
		} else if (!strcmp(key, "program")) {
			read_program(&r, v, c);
		} else if (!strcmp(key, "configurations")) {
			read_setups(&r, v, c);
		} else if (!strcmp(key, "events")) {
			const char *name;
			json_t *one;

			json_object_foreach(v, name, one)
			{
				if (c->events < MAX_EVENTS)
					read_event(&r, name, one, c, &c->event[c->events++]);
				else
					complain(&r, "too many events", NULL);
			}
		} else if (!strcmp(key, "paths")) {
			c->paths = (unsigned)items(&r, v, key, MAX_PATHS);
			for (unsigned i = 0; i < c->paths; i++)
				read_path(&r, json_array_get(v, i), &c->path[i]);
		} else {
			complain(&r, "this file has no", key);
		}
	}
	if (!c->setups || !c->events || !c->paths)
		complain(&r, "needs configurations, events and paths", NULL);
	for (unsigned i = 0; i < c->paths; i++)
		if (c->path[i].trigger[0] && !storm_event(c, c->path[i].trigger))
			complain(&r, "no such event:", c->path[i].trigger);
	json_decref(top);
	return r.bad ? -1 : 0;
}

const struct storm_event *storm_event(const struct storm_config *c, const char *name)
{
	for (unsigned i = 0; i < c->events; i++)
		if (!strcmp(c->event[i].name, name))
			return &c->event[i];
	return NULL;
}
