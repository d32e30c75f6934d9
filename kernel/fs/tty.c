/* SPDX-License-Identifier: MIT */
/* Reading, writing and polling the terminal. Input arrives by interrupt and goes through the line
 * discipline at once, under tty->lock; output is written byte by byte under it, so that an echo
 * never splits a "\r\n". If a program does not read, bytes stay in the UART and its sender waits.
 */
#include "cpu.h"
#include "random.h"
#include "task.h"
#include "tty.h"

static struct tty serial_tty;

/* From line_output(), tty->lock held. */
static void tty_emit(void *ctx, uint8_t c)
{
	struct tty *t = ctx;
	if (!t->line.stopped)
		serial_putc((char)c);
	else if (t->echo_held < sizeof(t->echo))
		t->echo[t->echo_held++] = c;
}

static void print_held_echo(struct tty *t)
{
	if (t->line.stopped)
		return;
	for (unsigned i = 0; i < t->echo_held; i++)
		serial_putc((char)t->echo[i]);
	t->echo_held = 0;
}

void tty_restart_output(struct tty *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	t->line.stopped = false;
	print_held_echo(t);
	spin_unlock_irqrestore(&t->lock, flags);
	wake_all(&t->writers);
}

void tty_pull(struct tty *t)
{
	static const int sent[] = {SIGINT, SIGQUIT, SIGTSTP};
	unsigned events = 0;
	sigset_t signals = 0;
	char c;

	uint64_t flags = spin_lock_irqsave(&t->lock);
	while (line_has_room(&t->line) && serial_getc(&c)) {
		unsigned e = line_input(&t->line, (uint8_t)c);
		events |= e;
		if (e & LINE_SIGNAL)
			signals |= SIGMASK(e & LINE_SIGNAL);
	}
	print_held_echo(t);
	spin_unlock_irqrestore(&t->lock, flags);

	if (events & LINE_READY)
		wake_all(&t->readers);
	if (events & LINE_STARTED)
		wake_all(&t->writers);
	int pgrp = __atomic_load_n(&t->pgrp, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(sent) && pgrp > 0; i++)
		if (signals & SIGMASK(sent[i]))
			signal_send_group(pgrp, sent[i], NULL);
}

static void tty_interrupt(unused struct pt_regs *regs)
{
	random_stir();
	tty_pull(&serial_tty);
}

void tty_hangup(struct tty *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	t->hangups++;
	line_flush_input(&t->line);
	spin_unlock_irqrestore(&t->lock, flags);
	tty_restart_output(t);
	wake_all(&t->readers);
}

bool tty_file_dead(const struct tty_file *tf)
{
	return !tf->console && tf->hangups != __atomic_load_n(&tf->tty->hangups, __ATOMIC_RELAXED);
}

/* One try: true if the read is complete, with the bytes added to *got. VMIN and VTIME say when
 * that is without lines; *deadline is the time to give up (0: never). */
static bool read_some(struct tty *t, uint8_t *buf, size_t n, size_t *got, uint64_t *deadline)
{
	struct tty_line *l = &t->line;
	bool done, ready;
	uint64_t flags = spin_lock_irqsave(&t->lock);

	if (l->t.lflag & ICANON) {
		line_readable(l, &ready);
		done = ready || *got > 0;
		if (ready && *got == 0)
			*got = line_read(l, buf, n);
	} else {
		size_t min = MIN((size_t)l->t.cc[VMIN], n);
		uint64_t time_ns = l->t.cc[VTIME] * UINT64_C(100000000);
		size_t k = line_read(l, buf + *got, n - *got);
		*got += k;
		done = *got >= MAX(min, 1) || (min == 0 && time_ns == 0);
		if (time_ns != 0 && (k > 0 || (min == 0 && *deadline == 0)))
			*deadline = clock_ns() + time_ns;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	return done;
}

static long tty_read(struct file *f, void *buf, size_t n, unused uint64_t *pos)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	struct waiter w;
	uint64_t deadline = 0;
	size_t got = 0;

	if (n == 0)
		return 0;
	int err = tty_job_check(t, SIGTTIN);
	wait_begin(&t->readers, &w, true);
	while (err == 0 && !tty_file_dead(tf) && !read_some(t, buf, n, &got, &deadline)) {
		if (f->flags & O_NONBLOCK)
			err = -EAGAIN;
		else
			err = wait_sleep(deadline);
	}
	wait_end(&t->readers, &w);
	tty_pull(t); /* what had to wait for room */
	if (got == 0 && err != 0 && err != -ETIMEDOUT)
		return err;
	return (long)got;
}

static int wait_until_started(struct tty_file *tf)
{
	int err;
	wait_event_interruptible(&tf->tty->writers, !tf->tty->line.stopped || tty_file_dead(tf),
				 err);
	return err;
}

static long tty_write(struct file *f, const void *buf, size_t n, unused uint64_t *pos)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	const uint8_t *p = buf;
	size_t done = 0;
	int err = 0;

	if (t->line.t.lflag & TOSTOP)
		err = tty_job_check(t, SIGTTOU);
	if (err != 0)
		return err;
	mutex_lock(&t->write_lock);
	while (done < n) {
		if (tty_file_dead(tf)) {
			err = -EIO;
			break;
		}
		/* A few at a time: interrupts stay off while the UART takes them. */
		uint64_t flags = spin_lock_irqsave(&t->lock);
		for (unsigned i = 0; i < 16 && done < n && !t->line.stopped; i++)
			line_output(&t->line, p[done++]);
		bool stopped = t->line.stopped;
		spin_unlock_irqrestore(&t->lock, flags);
		if (!stopped || done == n)
			continue;
		if (f->flags & O_NONBLOCK) {
			err = -EAGAIN;
			break;
		}
		mutex_unlock(&t->write_lock);
		err = wait_until_started(tf);
		mutex_lock(&t->write_lock);
		if (err != 0)
			break;
	}
	mutex_unlock(&t->write_lock);
	return done > 0 || err == 0 ? (long)done : err;
}

static unsigned tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	unsigned mask = 0;
	bool ready;

	poll_wait(pt, &t->readers);
	poll_wait(pt, &t->writers);
	if (tty_file_dead(tf))
		return POLLIN | POLLOUT | POLLERR | POLLHUP;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	const struct termios_k *io = &t->line.t;
	size_t n = line_readable(&t->line, &ready);
	if (!(io->lflag & ICANON) && io->cc[VTIME] == 0 && n < io->cc[VMIN])
		ready = false;
	if (ready)
		mask |= POLLIN;
	if (!t->line.stopped)
		mask |= POLLOUT;
	spin_unlock_irqrestore(&t->lock, flags);
	return mask;
}

static int tty_open(struct inode *in, struct file *f)
{
	struct tty *t = in->rdev == RDEV_TTY ? tty_current() : &serial_tty;
	if (t == NULL)
		return -ENXIO;
	struct tty_file *tf = kzalloc(sizeof(*tf));
	if (tf == NULL)
		return -ENOMEM;
	tf->tty = t;
	tf->hangups = __atomic_load_n(&t->hangups, __ATOMIC_RELAXED);
	tf->console = in->rdev == RDEV_CONSOLE;
	f->priv = tf;
	if (in->rdev == RDEV_TTYS0 && !(f->flags & O_NOCTTY) && (f->flags & O_ACCMODE) != O_WRONLY)
		tty_acquire(t, false);
	return 0;
}

static void tty_close(struct file *f)
{
	kfree(f->priv);
}

const struct file_ops tty_ops = {
	.read = tty_read,
	.write = tty_write,
	.open = tty_open,
	.release = tty_close,
	.ioctl = tty_ioctl,
	.poll = tty_poll,
};

void tty_init(void)
{
	struct tty *t = &serial_tty;
	line_init(&t->line, tty_emit, t);
	t->size = (struct winsize_k){.rows = 24, .cols = 80};
	waitq_init(&t->readers);
	waitq_init(&t->writers);
	mutex_init(&t->write_lock);
	serial_irq_enable(tty_interrupt);
	tty_pull(t);
}

struct file *console_open(void)
{
	return file_open("/dev/console", O_RDWR, 0);
}
