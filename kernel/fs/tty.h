/* SPDX-License-Identifier: MIT */
/* The terminal: one serial line, known as ttyS0, console, and tty to those it controls. */
#ifndef KERNEL_FS_TTY_H
#define KERNEL_FS_TTY_H

#include "fs.h"
#include "tty_line.h"

enum { RDEV_TTY = 5 << 8 | 0, RDEV_CONSOLE = 5 << 8 | 1, RDEV_TTYS0 = 4 << 8 | 64 };

struct winsize_k { /* as TIOCGWINSZ passes it */
	uint16_t rows, cols, xpixel, ypixel;
};

struct tty {
	spinlock_t lock; /* irqsave: line, held echo, size */
	struct tty_line line;
	uint8_t echo[256]; /* echo that came while output was stopped */
	unsigned echo_held;
	struct winsize_k size;
	struct waitq readers, writers;
	struct mutex write_lock; /* one write call at a time */
	int session, pgrp;       /* 0: none. task_lock to change */
	unsigned hangups;        /* files opened before the last one are dead */
};

struct tty_file { /* file->priv */
	struct tty *tty;
	unsigned hangups; /* at open */
	bool console;     /* survives hang-ups */
};

extern const struct file_ops tty_ops;

bool tty_file_dead(const struct tty_file *tf);
/* Takes what the line has and what there is room for, wakes, sends signals. Any context but NMI. */
void tty_pull(struct tty *t);
/* Output may go on: prints the held echo, wakes writers. */
void tty_restart_output(struct tty *t);
/* Dead to all files but the console's; wakes everyone. */
void tty_hangup(struct tty *t);

long tty_ioctl(struct file *f, unsigned cmd, uint64_t arg);

/* ---- tty_job.c: sessions and process groups */
struct tty *tty_current(void); /* the caller's controlling terminal or NULL */
/* May the caller do what asks for the foreground (sig: SIGTTIN to read, SIGTTOU to change)? 0;
 * -EIO; or -ERESTARTSYS with the signal sent to its group. */
int tty_job_check(struct tty *t, int sig);
/* Makes t the controlling terminal of the caller, a session leader without one. */
int tty_acquire(struct tty *t, bool steal);
int tty_release(struct tty *t); /* TIOCNOTTY */
int tty_set_pgrp(struct tty *t, int pgid);
int tty_get_pgrp(struct tty *t);    /* or -ENOTTY */
int tty_get_session(struct tty *t); /* or -ENOTTY */

#endif
