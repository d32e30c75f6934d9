/* SPDX-License-Identifier: MIT */
/* The line discipline: what a terminal does to the bytes that pass through it. Pure: it knows no
 * lock, task or device, so tests/unit/test_tty_line.c runs it on a build host. */
#ifndef KERNEL_FS_TTY_LINE_H
#define KERNEL_FS_TTY_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { /* c_iflag */
       IGNBRK = 1,
       BRKINT = 2,
       ISTRIP = 040,
       INLCR = 0100,
       IGNCR = 0200,
       ICRNL = 0400,
       IUCLC = 01000,
       IXON = 02000,
       IXANY = 04000,
       IXOFF = 010000,
       IMAXBEL = 020000,
       IUTF8 = 040000,
};
enum { /* c_oflag */
       OPOST = 1,
       OLCUC = 2,
       ONLCR = 4,
       OCRNL = 010,
       ONOCR = 020,
       ONLRET = 040,
       XTABS = 014000,
};
enum { /* c_cflag */
       B115200 = 010002,
       CS8 = 060,
       CREAD = 0200,
       HUPCL = 02000,
       CLOCAL = 04000,
};
enum { /* c_lflag */
       ISIG = 1,
       ICANON = 2,
       ECHO = 010,
       ECHOE = 020,
       ECHOK = 040,
       ECHONL = 0100,
       NOFLSH = 0200,
       TOSTOP = 0400,
       ECHOCTL = 01000,
       ECHOKE = 04000,
       IEXTEN = 0100000,
};
enum { /* c_cc; 0 there means "no such character" */
       VINTR,
       VQUIT,
       VERASE,
       VKILL,
       VEOF,
       VTIME,
       VMIN,
       VSWTC,
       VSTART,
       VSTOP,
       VSUSP,
       VEOL,
       VREPRINT,
       VDISCARD,
       VWERASE,
       VLNEXT,
       VEOL2,
       NCCS = 19,
};

struct termios_k { /* as TCGETS passes it */
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[NCCS];
};

#define LINE_SIZE 4096u /* a power of two */

struct tty_line {
	struct termios_k t;
	/* Positions only grow; the byte lies at position % LINE_SIZE. Unread is [tail, head); in
	 * canonical mode [tail, canon) is complete lines and [canon, head) can still be edited. */
	uint32_t tail, canon, head;
	uint8_t buf[LINE_SIZE];
	uint8_t mark[LINE_SIZE / 8]; /* this byte ends a line; a marked 0 is an end of file */
	unsigned column;             /* of the cursor */
	unsigned canon_column;       /* where the line being edited begins */
	bool lnext;                  /* the next byte is taken literally */
	bool stopped;                /* by ^S */
	void (*emit)(void *ctx, uint8_t c); /* a byte to the line, nothing more to be done to it */
	void *ctx;
};

enum { /* What line_input() reports, above the number of the signal to send (0: none). */
       LINE_SIGNAL = 0xff,
       LINE_READY = 0x100,   /* readers may have something */
       LINE_STARTED = 0x200, /* output goes on after a stop */
};

void line_init(struct tty_line *l, void (*emit)(void *ctx, uint8_t c), void *ctx);
/* One byte from the line: edits, echoes, stores. */
unsigned line_input(struct tty_line *l, uint8_t c);
/* False: take no more bytes from the line until some were read, or they would be lost. */
bool line_has_room(const struct tty_line *l);
/* Bytes a read could get now. In canonical mode *ready says that there is a line, of 0 bytes too.
 */
size_t line_readable(const struct tty_line *l, bool *ready);
/* Takes out at most n bytes, in canonical mode not beyond one line. 0 can mean end of file. */
size_t line_read(struct tty_line *l, uint8_t *buf, size_t n);
/* One byte of a program's output. Not while ->stopped. */
void line_output(struct tty_line *l, uint8_t c);
void line_set_termios(struct tty_line *l, const struct termios_k *t);
void line_flush_input(struct tty_line *l);

#endif
