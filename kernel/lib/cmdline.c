/* SPDX-License-Identifier: MIT */
/* Words of the kernel's command line: key or key=value, separated by blanks; double quotes keep
 * blanks together; what follows "--" is not for the kernel. The last mention of a key counts. */
#include "boot.h"

static const char *line = "";

void cmdline_init(const char *cmdline)
{
	line = cmdline;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word at or behind *pos: [*word, *pos). False if there is none. */
static bool any_word(const char **pos, const char **word)
{
	const char *p = *pos;
	bool quoted = false;

	while (blank(*p))
		p++;
	*word = p;
	for (; *p && (quoted || !blank(*p)); p++)
		if (*p == '"')
			quoted = !quoted;
	*pos = p;
	return p != *word;
}

/* The same, for the kernel's own words. */
static bool next_word(const char **pos, const char **word)
{
	return any_word(pos, word) &&
	       !(*pos - *word == 2 && (*word)[0] == '-' && (*word)[1] == '-');
}

char *cmdline_split(char **rest)
{
	const char *pos = *rest, *word;
	char *start;

	if (!any_word(&pos, &word))
		return NULL;
	start = *rest + (word - *rest);
	*rest += pos - *rest;
	if (**rest)
		*(*rest)++ = 0;
	return start;
}

/* What follows `key` in its last mention, up to *end; NULL if there is none. */
static const char *find(const char *key, const char **end)
{
	const char *pos = line, *word, *found = NULL;
	size_t n = strlen(key);

	while (next_word(&pos, &word)) {
		if ((size_t)(pos - word) < n || strncmp(word, key, n) != 0)
			continue;
		if (word + n == pos || word[n] == '=') {
			found = word + n;
			*end = pos;
		}
	}
	return found;
}

bool cmdline_has(const char *key)
{
	const char *end;

	return find(key, &end) != NULL;
}

bool cmdline_get(const char *key, char *value, size_t n)
{
	const char *end, *p = find(key, &end);
	size_t i = 0;

	if (!p || *p != '=' || p == end)
		return false;
	for (p++; p < end; p++)
		if (*p != '"' && i + 1 < n)
			value[i++] = *p;
	if (n)
		value[i] = 0;
	return true;
}
