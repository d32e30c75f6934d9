/* SPDX-License-Identifier: MIT */
#include "fs.h"
#include "seq.h"

/* Room for n more bytes and an end. */
static bool reserve(struct seq *s, size_t n)
{
	if (s->failed)
		return false;
	if (s->used + n + 1 <= s->size)
		return true;
	size_t size = MAX(s->size * 2, (size_t)512);
	while (size < s->used + n + 1)
		size *= 2;
	char *buf = kmalloc(size);
	if (buf == NULL) {
		s->failed = true;
		return false;
	}
	if (s->used > 0)
		memcpy(buf, s->buf, s->used);
	kfree(s->buf);
	s->buf = buf;
	s->size = size;
	return true;
}

void seq_write(struct seq *s, const void *p, size_t n)
{
	if (!reserve(s, n))
		return;
	memcpy(s->buf + s->used, p, n);
	s->used += n;
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	va_list ap;
	if (!reserve(s, 128))
		return;
	size_t room = s->size - s->used;
	va_start(ap, fmt);
	int n = vsnprintf(s->buf + s->used, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n >= room) {
		if (!reserve(s, (size_t)n))
			return;
		va_start(ap, fmt);
		n = vsnprintf(s->buf + s->used, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if (n > 0)
		s->used += (size_t)n;
}

void seq_escaped(struct seq *s, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
			char octal[4] = {'\\', (char)('0' + (c >> 6)), (char)('0' + (c >> 3 & 7)),
					 (char)('0' + (c & 7))};
			seq_write(s, octal, 4);
		} else {
			seq_write(s, text, 1);
		}
	}
}

void seq_free(struct seq *s)
{
	kfree(s->buf);
	s->buf = NULL;
	s->used = s->size = 0;
}
