/* SPDX-License-Identifier: MIT */
/* printf's formats, as far as printk.h promises them, into any sink. */
#include "format.h"

enum { LEFT = 1, ZERO = 2, UPPER = 4, NEGATIVE = 8, ALT = 16 };

struct spec {
	unsigned flags;
	int width, precision; /* precision < 0: none given */
	int size;             /* of an integer: -2 char, -1 short, 0 int, 1 and 2 long */
};

static void emit(struct sink *s, char c)
{
	s->put(s, c);
	s->count++;
}

static void repeat(struct sink *s, char c, int n)
{
	for (; n > 0; n--)
		emit(s, c);
}

static void text(struct sink *s, const struct spec *sp, const char *str)
{
	size_t n;

	if (!str)
		str = "(null)";
	n = strnlen(str, sp->precision < 0 ? SIZE_MAX : (size_t)sp->precision);
	if (n > INT32_MAX)
		n = INT32_MAX;
	if (!(sp->flags & LEFT))
		repeat(s, ' ', sp->width - (int)n);
	for (size_t i = 0; i < n; i++)
		emit(s, str[i]);
	if (sp->flags & LEFT)
		repeat(s, ' ', sp->width - (int)n);
}

static void number(struct sink *s, const struct spec *sp, uint64_t v, unsigned base)
{
	const char *set = sp->flags & UPPER ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[24];
	int n = 0, zeros, pad;
	int prefix = (sp->flags & NEGATIVE ? 1 : 0) + (sp->flags & ALT ? 2 : 0);

	for (; v; v /= base)
		digits[n++] = set[v % base];
	zeros = (sp->precision < 0 ? 1 : sp->precision) - n;
	if (sp->precision < 0 && (sp->flags & (ZERO | LEFT)) == ZERO)
		zeros = MAX(zeros, sp->width - prefix - n);
	zeros = MAX(zeros, 0);
	pad = sp->width - prefix - zeros - n;

	if (!(sp->flags & LEFT))
		repeat(s, ' ', pad);
	if (sp->flags & NEGATIVE)
		emit(s, '-');
	if (sp->flags & ALT) {
		emit(s, '0');
		emit(s, 'x');
	}
	repeat(s, '0', zeros);
	while (n)
		emit(s, digits[--n]);
	if (sp->flags & LEFT)
		repeat(s, ' ', pad);
}

/* Reads a number of the format, or an argument for '*'. */
static const char *count(const char *f, struct va_box *args, int *out)
{
	if (*f == '*') {
		*out = va_arg(args->ap, int);
		return f + 1;
	}
	for (*out = 0; *f >= '0' && *f <= '9' && *out < 100000; f++)
		*out = *out * 10 + (*f - '0');
	return f;
}

static const char *parse(const char *f, struct va_box *args, struct spec *sp)
{
	*sp = (struct spec){.precision = -1};
	for (;; f++) {
		if (*f == '-')
			sp->flags |= LEFT;
		else if (*f == '0')
			sp->flags |= ZERO;
		else if (*f == '#')
			sp->flags |= ALT;
		else
			break;
	}
	f = count(f, args, &sp->width);
	if (sp->width < 0) {
		sp->flags |= LEFT;
		sp->width = -sp->width;
	}
	if (*f == '.')
		f = count(f + 1, args, &sp->precision);
	for (;; f++) {
		if (*f == 'h')
			sp->size--;
		else if (*f == 'l')
			sp->size++;
		else if (*f == 'z')
			sp->size = 1;
		else
			return f;
	}
}

static uint64_t unsigned_arg(struct va_box *args, int size)
{
	uint64_t v = size > 0 ? va_arg(args->ap, unsigned long) : va_arg(args->ap, unsigned);

	return size == -1 ? (uint16_t)v : size < -1 ? (uint8_t)v : v;
}

static int64_t signed_arg(struct va_box *args, int size)
{
	int64_t v = size > 0 ? va_arg(args->ap, long) : va_arg(args->ap, int);

	return size == -1 ? (int16_t)v : size < -1 ? (int8_t)v : v;
}

static void convert(struct sink *s, char conversion, struct spec *sp, struct va_box *args)
{
	char one[2] = {0};
	int64_t v;

	if (conversion != 'x' && conversion != 'X')
		sp->flags &= ~(unsigned)ALT;
	switch (conversion) {
	case 'd':
	case 'i':
		v = signed_arg(args, sp->size);
		if (v < 0)
			sp->flags |= NEGATIVE;
		number(s, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
		break;
	case 'u':
		number(s, sp, unsigned_arg(args, sp->size), 10);
		break;
	case 'X':
		sp->flags |= UPPER;
		number(s, sp, unsigned_arg(args, sp->size), 16);
		break;
	case 'x':
		number(s, sp, unsigned_arg(args, sp->size), 16);
		break;
	case 'p':
		sp->flags |= ALT;
		number(s, sp, (uintptr_t)va_arg(args->ap, void *), 16);
		break;
	case 's':
		text(s, sp, va_arg(args->ap, const char *));
		break;
	case 'c':
		one[0] = (char)va_arg(args->ap, int);
		if (one[0]) {
			sp->precision = -1;
			text(s, sp, one);
		} else {
			emit(s, 0);
		}
		break;
	case '%':
		emit(s, '%');
		break;
	default: /* show what was not understood */
		emit(s, '%');
		emit(s, conversion);
	}
}

void format(struct sink *s, const char *fmt, va_list ap)
{
	struct va_box args;
	struct spec sp;

	va_copy(args.ap, ap);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			emit(s, *fmt);
			continue;
		}
		fmt = parse(fmt + 1, &args, &sp);
		if (!*fmt)
			break;
		convert(s, *fmt, &sp, &args);
	}
	va_end(args.ap);
}

struct buffer_sink {
	struct sink sink;
	char *buf;
	size_t n;
};

static void buffer_put(struct sink *s, char c)
{
	struct buffer_sink *b = container_of(s, struct buffer_sink, sink);

	if ((size_t)s->count + 1 < b->n)
		b->buf[s->count] = c;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct buffer_sink b = {.sink = {.put = buffer_put}, .buf = buf, .n = n};

	format(&b.sink, fmt, ap);
	if (n)
		buf[MIN((size_t)b.sink.count, n - 1)] = 0;
	return b.sink.count;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return r;
}
