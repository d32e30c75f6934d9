/* SPDX-License-Identifier: MIT */
/*
 * --diff: what differs between two reports. Kernels lie elsewhere at each boot, so ranges are
 * compared by what they are (size, rights, what needs them, symbol), not by where.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit.h"

#define FORMAT 1

static json_t *load(const char *path)
{
	json_error_t e;
	json_t *r = json_load_file(path, 0, &e);

	if (r && json_integer_value(json_object_get(r, "kaiser_audit")) == FORMAT &&
	    json_is_array(json_object_get(r, "ranges")) &&
	    json_is_array(json_object_get(r, "checks")))
		return r;
	fprintf(stderr, "kaiser audit: %s: %s\n", path,
		r ? "not a report of kaiser audit --json" : e.text);
	json_decref(r);
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static bool totals_differ(const json_t *a, const json_t *b)
{
	const json_t *was = json_object_get(a, "totals"), *is = json_object_get(b, "totals");
	const char *key;
	const json_t *value;
	bool any = false;

	json_object_foreach((json_t *)(uintptr_t)is, key, value)
	{
		long long x = json_integer_value(json_object_get(was, key));
		long long y = json_integer_value(value);

		if (x == y)
			continue;
		printf("%s: %lld, was %lld\n", key, y, x);
		any = true;
	}
	return any;
}

static bool same_range(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"rights", "needed", "allowed", "symbol"};

	if (json_integer_value(json_object_get(a, "pages")) !=
	    json_integer_value(json_object_get(b, "pages")))
		return false;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(text_of(a, keys[i]), text_of(b, keys[i])))
			return false;
	return true;
}

/* Ranges of `a` that have no partner in `b`; a partner serves once. */
static bool ranges_without(const json_t *a, const json_t *b, char sign)
{
	size_t n = json_array_size(b);
	bool *taken = calloc(n + 1, sizeof(*taken)), any = false;

	for (size_t i = 0; taken && i < json_array_size(a); i++) {
		const json_t *r = json_array_get(a, i);
		const char *name = text_of(r, "needed");
		size_t k = 0;

		while (k < n && (taken[k] || !same_range(r, json_array_get(b, k))))
			k++;
		if (k < n) {
			taken[k] = true;
			continue;
		}
		any = true;
		printf("%c %s-%s %lld pages %s %s %s\n", sign, text_of(r, "start"),
		       text_of(r, "end"),
		       (long long)json_integer_value(json_object_get(r, "pages")),
		       text_of(r, "rights"), *name ? name : text_of(r, "allowed"),
		       text_of(r, "symbol"));
	}
	free(taken);
	return any;
}

static const json_t *check_named(const json_t *report, const char *name)
{
	const json_t *all = json_object_get(report, "checks");

	for (size_t i = 0; i < json_array_size(all); i++)
		if (!strcmp(text_of(json_array_get(all, i), "name"), name))
			return json_array_get(all, i);
	return NULL;
}

static bool checks_differ(const json_t *a, const json_t *b)
{
	const json_t *all = json_object_get(b, "checks");
	bool any = false;

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *is = json_array_get(all, i);
		const json_t *was = check_named(a, text_of(is, "name"));

		if (!strcmp(text_of(was, "state"), text_of(is, "state")))
			continue;
		printf("%s: %s, was %s\n", text_of(is, "name"), text_of(is, "state"),
		       was ? text_of(was, "state") : "not there");
		any = true;
	}
	return any;
}

int diff_reports(const char *a, const char *b)
{
	json_t *x = load(a), *y = x ? load(b) : NULL;
	bool any = false;

	if (y) {
		any |= totals_differ(x, y);
		any |= checks_differ(x, y);
		any |= ranges_without(json_object_get(x, "ranges"), json_object_get(y, "ranges"),
				      '-');
		any |= ranges_without(json_object_get(y, "ranges"), json_object_get(x, "ranges"),
				      '+');
		printf("%s\n", any ? "the reports differ" : "no difference");
	}
	json_decref(x);
	if (!y)
		return 2;
	json_decref(y);
	return any;
}
