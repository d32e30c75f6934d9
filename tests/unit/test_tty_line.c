/* SPDX-License-Identifier: MIT */
/* SRC: kernel/fs/tty_line.c */
/* CFLAGS: -std=c11 -D_POSIX_C_SOURCE=200809L -iquote kernel/fs */
/* The line discipline of kernel/fs/tty_line.c on the build host. Emits TAP.
 * Compile: cc -std=c11 -g -Wall -Wextra -Wpedantic -fsanitize=address,undefined -iquote
 *          kernel/include -iquote kernel/fs tests/unit/test_tty_line.c kernel/fs/tty_line.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tty_line.h"

static struct tty_line line;
static char screen[65536];
static size_t shown;
static unsigned events;
static int tests, failures;

static void emit(void *ctx, uint8_t c)
{
	(void)ctx;
	if (shown < sizeof(screen))
		screen[shown++] = (char)c;
}

static void fresh(void)
{
	line_init(&line, emit, NULL);
	shown = 0;
	events = 0;
}

static void type_n(const char *s, size_t n)
{
	while (n-- > 0)
		events |= line_input(&line, (uint8_t)*s++);
}

static void type(const char *s)
{
	type_n(s, strlen(s));
}

static void ok(int good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static int reads(size_t n, const char *want)
{
	uint8_t buf[8192];
	size_t got = line_read(&line, buf, n);
	return got == strlen(want) && memcmp(buf, want, got) == 0;
}

static int shows(const char *want)
{
	int same = shown == strlen(want) && memcmp(screen, want, shown) == 0;
	if (!same)
		printf("# shown %.*s\n", (int)shown, screen);
	shown = 0;
	return same;
}

static int ready(void)
{
	bool r;
	line_readable(&line, &r);
	return r;
}

static void set_flags(uint32_t set, uint32_t clear)
{
	struct termios_k t = line.t;
	t.lflag = (t.lflag | set) & ~clear;
	line_set_termios(&line, &t);
}

static void test_lines(void)
{
	fresh();
	type("ab");
	ok(!ready() && !(events & LINE_READY), "no line before its end");
	type("c\r");
	ok(ready() && (events & LINE_READY), "carriage return ends a line");
	ok(shows("abc\r\n"), "echo with a carriage return before the newline");
	ok(reads(100, "abc\n") && !ready(), "the line is read whole");
	type("one\ntwo\n");
	ok(reads(100, "one\n") && reads(100, "two\n"), "a read takes one line");
	type("12345\n");
	ok(reads(2, "12") && reads(2, "34") && reads(2, "5\n"), "a line in pieces");
}

static void test_editing(void)
{
	fresh();
	type("abx\177c\n");
	ok(shows("abx\b \bc\r\n") && reads(100, "abc\n"), "erase");
	type("\177\177a\177\177\n");
	ok(shows("a\b \b\r\n") && reads(100, "\n"), "erase stops at the start of the line");
	type("old\nab\177\177\177\177\n");
	ok(reads(100, "old\n") && reads(100, "\n"), "erase does not reach a finished line");
	shown = 0;
	type("abc\025d\n");
	ok(shows("abc\b \b\b \b\b \bd\r\n") && reads(100, "d\n"), "kill");
	type("one two  \027x\n");
	ok(reads(100, "one x\n"), "word erase takes blanks and the word before them");
	shown = 0;
	type("a\001\177\n");
	ok(shows("a^A\b \b\b \b\r\n") && reads(100, "a\n"), "erase of a control character");
	type("ab\t\177\n");
	ok(shows("ab\t\b\b\b\b\b\b\r\n") && reads(100, "ab\n"), "erase of a tab");
	type("ab\026\003\n");
	ok(shows("ab^\b^C\r\n") && reads(100, "ab\003\n"), "literal next");
	type("ab\022c\n");
	ok(shows("ab^R\r\nabc\r\n") && reads(100, "abc\n"), "reprint");
	line.t.iflag |= IUTF8;
	type("a\303\244\177\n");
	ok(shows("a\303\244\b \b\r\n") && reads(100, "a\n"), "erase of a two-byte character");
	set_flags(0, ECHO);
	type("secret\n");
	ok(shows("") && reads(100, "secret\n"), "no echo");
}

static void test_end_of_file(void)
{
	fresh();
	type("\004");
	ok(ready() && reads(100, "") && !ready(), "end of file alone reads as nothing");
	type("ab\004");
	ok(reads(100, "ab") && !ready(), "end of file behind text only pushes it");
	type("abc\004");
	ok(reads(3, "abc") && !ready(), "... also when it just fills the buffer");
	type("ab\004cd\n");
	ok(reads(100, "ab") && reads(100, "cd\n"), "the text goes on behind it");
}

static void test_signals(void)
{
	fresh();
	type("abc\003");
	ok((events & LINE_SIGNAL) == 2 && shows("abc^C"), "interrupt");
	type("x\n");
	ok(reads(100, "x\n"), "and what was typed before is gone");
	events = 0;
	type("\032");
	ok((events & LINE_SIGNAL) == 20, "suspend");
	events = 0;
	type("\034");
	ok((events & LINE_SIGNAL) == 3, "quit");
	set_flags(0, ISIG);
	events = 0;
	type("\003\n");
	ok((events & LINE_SIGNAL) == 0 && reads(100, "\003\n"), "no signals without ISIG");
	set_flags(ISIG | NOFLSH, 0);
	type("ab\003c\n");
	ok(reads(100, "abc\n"), "NOFLSH keeps the input");
}

static void test_flow(void)
{
	fresh();
	type("\023");
	ok(line.stopped, "stop");
	type("\021");
	ok(!line.stopped && (events & LINE_STARTED), "start");
	type("\023\003");
	ok(!line.stopped, "a signal starts output again");
}

static void test_raw(void)
{
	fresh();
	set_flags(0, ICANON | ECHO | ISIG);
	type("ab\003\177");
	ok(ready() && reads(100, "ab\003\177"), "raw bytes come as they are");
	type("one\ntw");
	set_flags(ICANON, 0);
	ok(ready() && reads(100, "one\ntw"), "what raw mode left is a line");
	type("li");
	set_flags(0, ICANON);
	ok(ready() && reads(1, "l") && reads(1, "i") && !ready(), "a half line is raw input");
	set_flags(ICANON, 0);
	ok(!ready(), "nothing left, nothing ready");
}

static void test_output(void)
{
	fresh();
	for (const char *p = "a\nb\tc"; *p; p++)
		line_output(&line, (uint8_t)*p);
	ok(shows("a\r\nb\tc") && line.column == 9, "newlines and columns");
	line.t.oflag |= XTABS;
	line_output(&line, '\n');
	line_output(&line, '\t');
	ok(shows("\r\n        "), "tabs become blanks");
	line.t.oflag = 0;
	line_output(&line, '\n');
	ok(shows("\n"), "no output processing");
}

static void test_overflow(void)
{
	char want[LINE_SIZE + 1];
	fresh();
	set_flags(0, ECHO);
	for (unsigned i = 0; i < 3 * LINE_SIZE; i++)
		type("x");
	ok(line_has_room(&line), "a line without an end may go on");
	type("\n");
	memset(want, 'x', LINE_SIZE - 1);
	want[LINE_SIZE - 1] = '\n';
	want[LINE_SIZE] = '\0';
	ok(!line_has_room(&line), "a full buffer with a line in it takes no more");
	ok(reads(8192, want), "a line that is too long is cut, its end kept");
	ok(line_has_room(&line) && !ready(), "and there is room again");
	set_flags(0, ICANON);
	for (unsigned i = 0; i < 2 * LINE_SIZE; i++)
		type("y");
	want[LINE_SIZE - 1] = '\0';
	memset(want, 'y', LINE_SIZE - 1);
	ok(reads(8192, want), "raw mode keeps what fits");
}

/* Random bytes, modes and reads: the sanitizers and these bounds judge. */
static void test_random(void)
{
	uint8_t buf[8192];
	int good = 1;
	fresh();
	srand(1);
	for (int i = 0; i < 2000000; i++) {
		int r = rand();
		events |= line_input(&line, (uint8_t)(r % 3 ? r >> 8 & 0xff : r >> 8 & 31));
		if (r % 4001 == 0)
			line_read(&line, buf, (size_t)(r >> 12) % sizeof(buf));
		if (r % 10007 == 0) {
			struct termios_k t = line.t;
			t.lflag ^= 1u << (r >> 12) % 16;
			t.iflag ^= 1u << (r >> 16) % 15;
			t.oflag ^= 1u << (r >> 20) % 6;
			t.cc[(r >> 3) % NCCS] = (uint8_t)(r >> 9);
			line_set_termios(&line, &t);
		}
		shown = 0;
		uint32_t used = line.head - line.tail;
		good &= used <= LINE_SIZE &&
			(!(line.t.lflag & ICANON) || line.canon - line.tail <= used);
	}
	ok(good, "two million random bytes stay within bounds");
}

int main(void)
{
	test_lines();
	test_editing();
	test_end_of_file();
	test_signals();
	test_flow();
	test_raw();
	test_output();
	test_overflow();
	test_random();
	printf("1..%d\n", tests);
	return failures != 0;
}
