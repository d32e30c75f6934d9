/* SPDX-License-Identifier: MIT */
/*
 * The user's own allow-list, RULES.json: a list of
 *	{"name": "entry text", "start": "0xffffffff81800000", "end": "0x...", "rights": "rx"}
 * or, with symbols, {"name": ..., "symbol": "__entry_text_start", "size": "0x2000", ...}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <kaiser/verify.h>

#include "audit.h"

#define PAGE UINT64_C(0x1000)

/* A number, or one as text: JSON has no hexadecimal and no 64 bits. */
static bool number(const json_t *rule, const char *key, uint64_t *value)
{
	const json_t *v = json_object_get(rule, key);
	const char *text = json_string_value(v);
	char *end;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*value = (uint64_t)json_integer_value(v);
		return true;
	}
	if (!text || !*text)
		return false;
	*value = strtoull(text, &end, 0);
	return !*end;
}

static const char *one_rule(struct kaiser_allowed *a, const json_t *rule, const struct symbols *s)
{
	const char *name = json_string_value(json_object_get(rule, "name"));
	const char *symbol = json_string_value(json_object_get(rule, "symbol"));
	const char *rights = json_string_value(json_object_get(rule, "rights"));
	uint64_t size;
	char text[96];

	if (symbol) {
		if (!s || !symbols_find(s, symbol, &a->start))
			return "a symbol that is not known";
		if (!number(rule, "size", &size) || !size)
			return "a symbol without a size";
		a->end = (a->start + size + PAGE - 1) & ~(PAGE - 1);
		a->start &= ~(PAGE - 1);
	} else if (!number(rule, "start", &a->start) || !number(rule, "end", &a->end)) {
		return "neither start and end nor a symbol";
	}
	if (a->start >= a->end || (a->start | a->end) % PAGE)
		return "a range that is empty or not made of pages";
	if (rights && strspn(rights, "rwx-") != strlen(rights))
		return "rights other than r, w, x";
	a->rights = (rights && strchr(rights, 'w') ? KAISER_MAY_WRITE : 0) |
		    (rights && strchr(rights, 'x') ? KAISER_MAY_EXEC : 0);
	a->optional = true;
	snprintf(text, sizeof(text), "allowed: %.48s", name ? name : symbol ? symbol : "a rule");
	a->name = strdup(text);
	return a->name ? NULL : "out of memory";
}

int rules_read(struct rules *r, const char *path, const struct symbols *s, char *error, size_t size)
{
	json_error_t e;
	json_t *all = json_load_file(path, 0, &e);

	if (!json_is_array(all)) {
		snprintf(error, size, "%s: %s", path, all ? "not a list of rules" : e.text);
		json_decref(all);
		return -1;
	}
	r->rule = calloc(json_array_size(all) + 1, sizeof(*r->rule));
	for (size_t i = 0; r->rule && i < json_array_size(all); i++) {
		const char *wrong = one_rule(&r->rule[i], json_array_get(all, i), s);

		if (wrong) {
			snprintf(error, size, "%s: rule %zu: %s", path, i + 1, wrong);
			json_decref(all);
			return -1;
		}
		r->count++;
	}
	json_decref(all);
	return r->rule ? 0 : -1;
}

void rules_free(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		free((void *)(uintptr_t)r->rule[i].name);
	free(r->rule);
	r->rule = NULL;
	r->count = 0;
}
