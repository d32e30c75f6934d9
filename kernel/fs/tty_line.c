/* SPDX-License-Identifier: MIT */
/* Canonical input is edited in place: erase moves head back, never below canon, and a delimiter
 * sets canon = head. What erase must wipe from the screen follows from the characters: a control
 * character was echoed as two, a tab as far as the next multiple of eight. */
#include "base.h"
#include "signal.h"
#include "tty_line.h"

#define AT(pos) ((pos) % LINE_SIZE)

static bool is_control(uint8_t c)
{
	return c < 32 || c == 127;
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c >= 0x80;
}

/* The later bytes of a UTF-8 character take no column. */
static bool is_continuation(const struct tty_line *l, uint8_t c)
{
	return (l->t.iflag & IUTF8) && (c & 0xc0) == 0x80;
}

static bool is_marked(const struct tty_line *l, uint32_t pos)
{
	return l->mark[AT(pos) / 8] >> AT(pos) % 8 & 1;
}

static void set_mark(struct tty_line *l, uint32_t pos, bool on)
{
	uint8_t bit = (uint8_t)(1u << AT(pos) % 8);
	if (on)
		l->mark[AT(pos) / 8] |= bit;
	else
		l->mark[AT(pos) / 8] &= (uint8_t)~bit;
}

void line_init(struct tty_line *l, void (*emit)(void *ctx, uint8_t c), void *ctx)
{
	static const uint8_t cc[NCCS] = {
		[VINTR] = 3,     [VQUIT] = 28,   [VERASE] = 127, [VKILL] = 21, [VEOF] = 4,
		[VMIN] = 1,      [VSTART] = 17,  [VSTOP] = 19,   [VSUSP] = 26, [VREPRINT] = 18,
		[VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22,
	};
	memset(l, 0, sizeof(*l));
	l->t.iflag = ICRNL | IXON;
	l->t.oflag = OPOST | ONLCR;
	l->t.cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	l->t.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(l->t.cc, cc, sizeof(cc));
	l->emit = emit;
	l->ctx = ctx;
}

void line_output(struct tty_line *l, uint8_t c)
{
	uint32_t o = l->t.oflag;
	if (!(o & OPOST)) {
		l->emit(l->ctx, c);
		return;
	}
	switch (c) {
	case '\n':
		if (o & ONLCR)
			l->emit(l->ctx, '\r');
		if (o & (ONLCR | ONLRET))
			l->column = 0;
		break;
	case '\r':
		if ((o & ONOCR) && l->column == 0)
			return;
		if (o & OCRNL)
			c = '\n';
		if (!(o & OCRNL) || (o & ONLRET))
			l->column = 0;
		break;
	case '\t': {
		unsigned n = 8 - l->column % 8;
		l->column += n;
		if ((o & XTABS) == XTABS) {
			while (n-- > 0)
				l->emit(l->ctx, ' ');
			return;
		}
		break;
	}
	case '\b':
		if (l->column > 0)
			l->column--;
		break;
	default:
		if (is_control(c))
			break;
		if ((o & OLCUC) && c >= 'a' && c <= 'z')
			c = (uint8_t)(c - 'a' + 'A');
		if (!is_continuation(l, c))
			l->column++;
	}
	l->emit(l->ctx, c);
}

/* An input character as ECHOCTL shows it. */
static void echo_char(struct tty_line *l, uint8_t c)
{
	if ((l->t.lflag & ECHOCTL) && is_control(c) && c != '\t') {
		line_output(l, '^');
		c ^= 0x40;
	}
	line_output(l, c);
}

static unsigned width_at(const struct tty_line *l, uint8_t c, unsigned column)
{
	if (c == '\t')
		return 8 - column % 8;
	if (is_control(c))
		return l->t.lflag & ECHOCTL ? 2 : 0;
	return !is_continuation(l, c);
}

static void rub_out(struct tty_line *l, unsigned columns, bool blank)
{
	while (columns-- > 0) {
		line_output(l, '\b');
		if (blank) {
			line_output(l, ' ');
			line_output(l, '\b');
		}
	}
}

/* Removes the last character and, if wanted, its image. */
static void erase_one(struct tty_line *l, bool show)
{
	uint32_t first = l->head - 1;
	while (first != l->canon && is_continuation(l, l->buf[AT(first)]))
		first--;
	uint8_t c = l->buf[AT(first)];
	unsigned column = l->canon_column;
	for (uint32_t p = l->canon; p != first; p++)
		column += width_at(l, l->buf[AT(p)], column);
	l->head = first;
	if (show)
		rub_out(l, width_at(l, c, column), c != '\t');
}

static void erase(struct tty_line *l, uint8_t c)
{
	uint32_t f = l->t.lflag;
	bool show = f & ECHO;

	if (l->head == l->canon)
		return;
	if (c == l->t.cc[VKILL]) {
		uint32_t all = ECHOE | ECHOK | ECHOKE;
		if (show && (f & all) != all) {
			echo_char(l, c);
			if (f & ECHOK)
				line_output(l, '\n');
			show = false;
		}
		while (l->head != l->canon)
			erase_one(l, show);
	} else if (c == l->t.cc[VWERASE]) {
		bool word = false;
		while (l->head != l->canon) {
			bool w = is_word(l->buf[AT(l->head - 1)]);
			if (word && !w)
				break;
			word |= w;
			erase_one(l, show);
		}
	} else {
		erase_one(l, show && (f & ECHOE));
		if (show && !(f & ECHOE))
			echo_char(l, c);
	}
}

/* Stores a byte. One place is kept for the delimiter of a line that is too long. */
static bool put(struct tty_line *l, uint8_t c, bool delimiter)
{
	uint32_t used = l->head - l->tail;
	if (used >= LINE_SIZE - (delimiter ? 0 : 1))
		return false;
	l->buf[AT(l->head)] = c;
	set_mark(l, l->head, delimiter);
	l->head++;
	if (delimiter)
		l->canon = l->head;
	return true;
}

static void start(struct tty_line *l, unsigned *events)
{
	if (l->stopped)
		*events |= LINE_STARTED;
	l->stopped = false;
}

/* Flow control and signals: true if the byte was one of theirs. */
static bool input_special(struct tty_line *l, uint8_t c, unsigned *events)
{
	const uint8_t *cc = l->t.cc;
	if (l->t.iflag & IXON) {
		if (c == cc[VSTART]) {
			start(l, events);
			return true;
		}
		if (c == cc[VSTOP]) {
			l->stopped = true;
			return true;
		}
		if (l->t.iflag & IXANY)
			start(l, events);
	}
	if (!(l->t.lflag & ISIG))
		return false;
	int sig = c == cc[VINTR] ? SIGINT : c == cc[VQUIT] ? SIGQUIT : c == cc[VSUSP] ? SIGTSTP : 0;
	if (sig == 0)
		return false;
	if (!(l->t.lflag & NOFLSH))
		line_flush_input(l);
	start(l, events);
	if (l->t.lflag & ECHO)
		echo_char(l, c);
	*events |= (unsigned)sig;
	return true;
}

/* Editing and delimiters: true if the byte was one of theirs. */
static bool input_canon(struct tty_line *l, uint8_t c, unsigned *events)
{
	const uint8_t *cc = l->t.cc;
	uint32_t f = l->t.lflag;
	bool ext = f & IEXTEN;

	if (c == '\n' || (c != 0 && (c == cc[VEOL] || (ext && c == cc[VEOL2])))) {
		if (c == '\n' && (f & (ECHO | ECHONL)))
			line_output(l, c);
		else if (f & ECHO)
			echo_char(l, c);
	} else if (c == 0) {
		return false;
	} else if (c == cc[VEOF]) {
		c = 0;
	} else if (c == cc[VERASE] || c == cc[VKILL] || (ext && c == cc[VWERASE])) {
		erase(l, c);
		return true;
	} else if (ext && c == cc[VLNEXT]) {
		l->lnext = true;
		if ((f & ECHO) && (f & ECHOCTL)) {
			line_output(l, '^');
			line_output(l, '\b');
		}
		return true;
	} else if (ext && (f & ECHO) && c == cc[VREPRINT]) {
		echo_char(l, c);
		line_output(l, '\n');
		l->canon_column = l->column;
		for (uint32_t p = l->canon; p != l->head; p++)
			echo_char(l, l->buf[AT(p)]);
		return true;
	} else {
		return false;
	}
	if (put(l, c, true))
		*events |= LINE_READY;
	return true;
}

unsigned line_input(struct tty_line *l, uint8_t c)
{
	unsigned events = 0;
	bool literal = l->lnext;

	l->lnext = false;
	if (l->t.iflag & ISTRIP)
		c &= 0x7f;
	if (!literal) {
		if ((l->t.iflag & IUCLC) && (l->t.lflag & IEXTEN) && c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		if (c != 0 && input_special(l, c, &events))
			return events;
		if (c == '\r') {
			if (l->t.iflag & IGNCR)
				return events;
			if (l->t.iflag & ICRNL)
				c = '\n';
		} else if (c == '\n' && (l->t.iflag & INLCR)) {
			c = '\r';
		}
		if ((l->t.lflag & ICANON) && input_canon(l, c, &events))
			return events;
	}
	if (l->head == l->canon)
		l->canon_column = l->column;
	if (!put(l, c, false)) {
		if (l->t.iflag & IMAXBEL)
			l->emit(l->ctx, '\a');
		return events;
	}
	if (l->t.lflag & ECHO) {
		if (c == '\n')
			line_output(l, c);
		else
			echo_char(l, c);
	}
	return l->t.lflag & ICANON ? events : events | LINE_READY;
}

bool line_has_room(const struct tty_line *l)
{
	if (l->head - l->tail < LINE_SIZE - 1)
		return true;
	/* A line without an end: its reader waits for a delimiter that must come through. */
	return (l->t.lflag & ICANON) && l->canon == l->tail;
}

size_t line_readable(const struct tty_line *l, bool *ready)
{
	if (!(l->t.lflag & ICANON)) {
		*ready = l->head != l->tail;
		return l->head - l->tail;
	}
	*ready = l->canon != l->tail;
	size_t n = l->canon - l->tail;
	if (n > 0 && is_marked(l, l->canon - 1) && l->buf[AT(l->canon - 1)] == 0)
		n--;
	return n;
}

size_t line_read(struct tty_line *l, uint8_t *buf, size_t n)
{
	bool canon = l->t.lflag & ICANON;
	uint32_t end = canon ? l->canon : l->head;
	size_t got = 0;

	while (l->tail != end) {
		uint8_t c = l->buf[AT(l->tail)];
		bool last = canon && is_marked(l, l->tail);
		/* An end of file right behind a full buffer belongs to this read: the next one
		 * would take it for the end of the input. */
		if (got == n && !(last && c == 0 && n > 0))
			break;
		l->tail++;
		if (last && c == 0)
			break;
		buf[got++] = c;
		if (last)
			break;
	}
	if (!canon)
		l->canon = l->tail;
	return got;
}

void line_flush_input(struct tty_line *l)
{
	l->tail = l->canon = l->head;
	l->lnext = false;
}

/* Bytes that raw mode left behind are one complete line to canonical mode; the other way round
 * everything can be read at once. */
void line_set_termios(struct tty_line *l, const struct termios_k *t)
{
	uint32_t changed = l->t.lflag ^ t->lflag;
	l->t = *t;
	if (!(l->t.iflag & IXON))
		l->stopped = false;
	if (!(changed & ICANON))
		return;
	memset(l->mark, 0, sizeof(l->mark));
	l->lnext = false;
	l->canon = l->tail;
	if ((l->t.lflag & ICANON) && l->head != l->tail) {
		set_mark(l, l->head - 1, true);
		l->canon = l->head;
	}
}
