/* SPDX-License-Identifier: MIT */
/* Lines for people, a bar on a terminal, and the same as JSON. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "storm.h"

void storm_progress(struct storm *s, const char *what, unsigned done, unsigned all)
{
	static bool shown;
	char bar[31];

	if (s->o.json || !isatty(STDERR_FILENO) || (all && done < all && done % 16))
		return;
	if (!all) {
		if (shown)
			fprintf(stderr, "\r\033[K");
		shown = false;
		return;
	}
	memset(bar, '.', 30);
	memset(bar, '#', 30 * (size_t)done / all);
	bar[30] = 0;
	fprintf(stderr, "\r\033[K%s %u/%u %s", bar, done, all, what);
	fflush(stderr);
	shown = true;
}

json_t *storm_list(struct storm *s, const char *name)
{
	json_t *list;

	if (!s->json)
		s->json = json_object();
	list = json_object_get(s->json, name);
	if (!list)
		json_object_set_new(s->json, name, list = json_array());
	return list;
}

void storm_place(struct storm *s, uint64_t rip, char *buf, size_t size)
{
	bool entry = false;

	for (unsigned i = 0; i < s->guest.entries; i++)
		entry |= rip >= s->guest.entry[i][0] && rip < s->guest.entry[i][1];
	if (entry)
		storm_image_place(s->kernel, rip - s->guest.moved, buf, size);
	else if (rip >> 63)
		storm_image_place(s->kernel, rip - s->c.image_offset, buf, size);
	else
		storm_image_place(s->program, rip, buf, size);
}

/* The command that does this one point again; e: NULL for the path without any event. */
static void replay(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		   unsigned k, char *buf, size_t size)
{
	char outer[64] = "", all[80];
	int n;

	for (const struct storm_run *r = run; r->outer; r = r->outer) {
		snprintf(all, sizeof(all), "%u%s%.40s", r->at, outer[0] ? "/" : "", outer);
		memcpy(outer, all, sizeof(outer) - 1);
	}
	n = snprintf(buf, size, "kaiser storm --kernel %s --program %s --paths %s", s->o.kernel,
		     s->o.program, s->o.paths);
	if (s->o.initrd)
		n += snprintf(buf + n, size - (size_t)n, " --initrd %s", s->o.initrd);
	if (s->o.append)
		n += snprintf(buf + n, size - (size_t)n, " --append '%s'", s->o.append);
	n += snprintf(buf + n, size - (size_t)n, " --config '^%s$' --path '^%s$' --event '%s'",
		      s->setup->name, run->path->name, s->event);
	if (e)
		n += snprintf(buf + n, size - (size_t)n, " --points %u", k);
	else
		n += snprintf(buf + n, size - (size_t)n, " --mode none");
	if (outer[0])
		snprintf(buf + n, size - (size_t)n, " --outer %s", outer);
}

void storm_failure(struct storm *s, struct storm_run *run, const struct storm_event *e, unsigned k)
{
	char place[200] = "undisturbed", again[1200];

	if (e)
		storm_place(s, run->step[k].rip, place, sizeof(place));
	replay(s, run, e, k, again, sizeof(again));
	s->total.failed++;
	storm_progress(s, "", 0, 0);
	if (s->o.json)
		json_array_append_new(storm_list(s, "failures"),
				      json_pack("{ss ss ss si ss ss ss}", "configuration",
						s->setup->name, "path", run->path->name, "event",
						e ? s->event : "", "point", (int)k, "at", place,
						"what", s->what, "replay", again));
	else if (!e)
		printf("FAIL %s, %s, undisturbed: %s; again: %s\n", s->setup->name, run->path->name,
		       s->what, again);
	else
		printf("FAIL %s, %s, %s at point %u, %s: %s; again: %s\n", s->setup->name,
		       run->path->name, s->event, k, place, s->what, again);
	fflush(stdout);
}

static const struct {
	const char *key, *text;
} left_names[LEFT_KINDS] = {
	[LEFT_OUTSIDE] = {"outside", "not of the entry code"},
	[LEFT_AGAIN] = {"again", "an address again"},
	[LEFT_DEBUG] = {"debug", "where a #DB is handled"},
	[LEFT_OUTER] = {"outer", "where the outer event is given"},
	[LEFT_ONLY] = {"only", "where the event cannot be stood"},
	[LEFT_MODE] = {"mode", "not chosen"},
};

/* Of a breakpoint's points and of the instructions that are none: all of them, each with its
 * reason. */
static void print_account(const struct storm_total *t, const struct storm_swept *w)
{
	const char *comma = ": ";

	if (t->before != w->before.before || t->disarmed != w->before.disarmed)
		printf(" (%u broke there, %u in the call that armed them, %u taken away by the "
		       "path)",
		       t->exact - w->before.exact, t->before - w->before.before,
		       t->disarmed - w->before.disarmed);
	for (unsigned i = 0; i < LEFT_KINDS; i++) {
		if (!w->left[i])
			continue;
		printf("%s%s%u %s", *comma == ':' ? "; left out" : "", comma, w->left[i],
		       left_names[i].text);
		comma = ", ";
	}
}

static json_t *account(const struct storm_total *t, const struct storm_swept *w)
{
	json_t *left = json_object();

	for (unsigned i = NOT_LEFT + 1; i < LEFT_KINDS; i++)
		json_object_set_new(left, left_names[i].key, json_integer(w->left[i]));
	return json_pack("{si si si si si so}", "there", (int)(t->exact - w->before.exact), "later",
			 (int)(t->later - w->before.later), "when_armed",
			 (int)(t->before - w->before.before), "disarmed",
			 (int)(t->disarmed - w->before.disarmed), "retried",
			 (int)(t->retried - w->before.retried), "left_out", left);
}

void storm_path_done(struct storm *s, const struct storm_run *run, const char *event,
		     const struct storm_swept *w, int independent)
{
	unsigned entry = 0;
	char count[80] = "";

	for (unsigned i = 0; i < run->steps; i++)
		entry += run->step[i].entry;
	storm_progress(s, "", 0, 0);
	if (s->o.json) {
		json_array_append_new(storm_list(s, "paths"),
				      json_pack("{ss ss ss si si si si si so}", "configuration",
						s->setup->name, "path", run->path->name, "event",
						event, "instructions", (int)run->steps,
						"entry_code", (int)entry, "points", (int)w->points,
						"reached", (int)w->reached, "traced", independent,
						"account", account(&s->total, w)));
		return;
	}
	if (independent >= 0)
		snprintf(count, sizeof(count), ", %d in the plugin's trace%s", independent,
			 (unsigned)independent == run->steps ? "" : ": THEY DIFFER");
	printf("%s, %s, %s: %u instructions (%u of the entry code)%s; %u of %u points reached",
	       s->setup->name, run->path->name, event, run->steps, entry, count, w->reached,
	       w->points);
	print_account(&s->total, w);
	putchar('\n');
	fflush(stdout);
}

void storm_report(struct storm *s, double seconds)
{
	const struct storm_total *t = &s->total;

	if (s->o.json) {
		json_t *top = s->json ? s->json : json_object();

		json_object_set_new(top, "points", json_integer(t->points));
		json_object_set_new(top, "taken_at_once", json_integer(t->exact));
		json_object_set_new(top, "taken_later", json_integer(t->later));
		json_object_set_new(top, "taken_when_armed", json_integer(t->before));
		json_object_set_new(top, "disarmed", json_integer(t->disarmed));
		json_object_set_new(top, "retried", json_integer(t->retried));
		json_object_set_new(top, "failed", json_integer(t->failed));
		json_object_set_new(top, "seconds", json_real(seconds));
		json_dumpf(top, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(top);
		s->json = NULL;
		return;
	}
	if (t->before || t->disarmed)
		printf("breakpoints: %u broke in the call that armed them, %u were taken away by "
		       "the path\n",
		       t->before, t->disarmed);
	if (t->retried)
		printf("%u points were come to in a new guest only\n", t->retried);
	printf("%u paths, %u events: %u taken exactly there, %u later, %u failures, %.1f s\n",
	       t->paths, t->points, t->exact, t->later, t->failed, seconds);
}
