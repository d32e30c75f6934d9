/* SPDX-License-Identifier: MIT */
/* Terminal requests. User memory is touched with no lock held. Nothing is buffered on the way out,
 * so every "drain first" holds at once. */
#include "task.h"
#include "tty.h"
#include "uaccess.h"

enum {
	TCGETS = 0x5401,
	TCSETS,
	TCSETSW,
	TCSETSF,
	TCSBRK = 0x5409,
	TCXONC,
	TCFLSH,
	TIOCEXCL,
	TIOCNXCL,
	TIOCSCTTY,
	TIOCGPGRP,
	TIOCSPGRP,
	TIOCOUTQ,
	TIOCSTI,
	TIOCGWINSZ,
	TIOCSWINSZ,
	TIOCMGET,
	FIONREAD = 0x541b,
	TIOCGSERIAL = 0x541e,
	TIOCNOTTY = 0x5422,
	TCSBRKP = 0x5425,
	TIOCGSID = 0x5429,
	TIOCVHANGUP = 0x5437,
};
#define TIOCGDEV 0x80045432u

struct serial_k { /* as TIOCGSERIAL passes it */
	int32_t type, line;
	uint32_t port;
	int32_t irq, flags, xmit_fifo_size, custom_divisor, baud_base;
	uint16_t close_delay;
	uint8_t io_type, reserved;
	int32_t hub6;
	uint16_t closing_wait, closing_wait2;
	uint64_t iomem_base;
	uint16_t iomem_reg_shift;
	uint32_t port_high;
	uint64_t iomap_base;
};
_Static_assert(sizeof(struct serial_k) == 72, "struct serial_struct drifted");
_Static_assert(sizeof(struct termios_k) == 36, "struct termios drifted");

static int put_int(uint64_t arg, int v)
{
	return v < 0 ? v : copy_to_user(arg, &v, sizeof(v));
}

static int get_termios(struct tty *t, uint64_t arg)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct termios_k io = t->line.t;
	spin_unlock_irqrestore(&t->lock, flags);
	return copy_to_user(arg, &io, sizeof(io));
}

static int set_termios(struct tty *t, unsigned cmd, uint64_t arg)
{
	struct termios_k io;
	int err = tty_job_check(t, SIGTTOU);
	if (err == 0)
		err = copy_from_user(&io, arg, sizeof(io));
	if (err != 0)
		return err;
	mutex_lock(&t->write_lock);
	uint64_t flags = spin_lock_irqsave(&t->lock);
	bool was_stopped = t->line.stopped;
	if (cmd == TCSETSF)
		line_flush_input(&t->line);
	line_set_termios(&t->line, &io);
	bool restart = was_stopped && !t->line.stopped;
	spin_unlock_irqrestore(&t->lock, flags);
	mutex_unlock(&t->write_lock);
	if (restart)
		tty_restart_output(t);
	wake_all(&t->readers); /* another mode may make them ready */
	tty_pull(t);
	return 0;
}

static int flush(struct tty *t, uint64_t queue)
{
	int err = tty_job_check(t, SIGTTOU);
	if (err != 0)
		return err;
	if (queue > 2)
		return -EINVAL;
	if (queue != 1) { /* 1 is output only */
		uint64_t flags = spin_lock_irqsave(&t->lock);
		line_flush_input(&t->line);
		spin_unlock_irqrestore(&t->lock, flags);
		tty_pull(t);
	}
	return 0;
}

static int flow(struct tty *t, uint64_t action)
{
	int err = tty_job_check(t, SIGTTOU);
	if (err != 0)
		return err;
	switch (action) {
	case 0: { /* stop output */
		uint64_t flags = spin_lock_irqsave(&t->lock);
		t->line.stopped = true;
		spin_unlock_irqrestore(&t->lock, flags);
		return 0;
	}
	case 1:
		tty_restart_output(t);
		return 0;
	case 2: /* tell the sender to stop, to go on */
	case 3: {
		uint64_t flags = spin_lock_irqsave(&t->lock);
		uint8_t c = t->line.t.cc[action == 2 ? VSTOP : VSTART];
		if (c != 0)
			serial_putc((char)c);
		spin_unlock_irqrestore(&t->lock, flags);
		return 0;
	}
	default:
		return -EINVAL;
	}
}

static int get_size(struct tty *t, uint64_t arg)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct winsize_k ws = t->size;
	spin_unlock_irqrestore(&t->lock, flags);
	return copy_to_user(arg, &ws, sizeof(ws));
}

static int set_size(struct tty *t, uint64_t arg)
{
	struct winsize_k ws;
	int err = copy_from_user(&ws, arg, sizeof(ws));
	if (err != 0)
		return err;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	bool changed = memcmp(&ws, &t->size, sizeof(ws)) != 0;
	t->size = ws;
	spin_unlock_irqrestore(&t->lock, flags);
	int pgrp = __atomic_load_n(&t->pgrp, __ATOMIC_RELAXED);
	if (changed && pgrp > 0)
		signal_send_group(pgrp, SIGWINCH, NULL);
	return 0;
}

static int readable(struct tty *t)
{
	bool ready;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	size_t n = line_readable(&t->line, &ready);
	spin_unlock_irqrestore(&t->lock, flags);
	return (int)n;
}

static int get_serial(uint64_t arg)
{
	struct serial_k s = {
		.type = 4, /* 16550A */
		.port = 0x3f8,
		.irq = 4,
		.xmit_fifo_size = 16,
		.baud_base = 115200,
		.close_delay = 50,
		.closing_wait = 3000,
	};
	return copy_to_user(arg, &s, sizeof(s));
}

static int set_pgrp(struct tty *t, uint64_t arg)
{
	int pgid;
	int err = copy_from_user(&pgid, arg, sizeof(pgid));
	return err != 0 ? err : tty_set_pgrp(t, pgid);
}

long tty_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;

	if (tty_file_dead(tf))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TCGETS:
		return get_termios(t, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(t, cmd, arg);
	case TCSBRK: /* nothing is queued; the UART has no break to send here */
	case TCSBRKP:
		return tty_job_check(t, SIGTTOU);
	case TCXONC:
		return flow(t, arg);
	case TCFLSH:
		return flush(t, arg);
	case TIOCSCTTY:
		return tty_acquire(t, arg == 1);
	case TIOCNOTTY:
		return tty_release(t);
	case TIOCGPGRP:
		return put_int(arg, tty_get_pgrp(t));
	case TIOCSPGRP:
		return set_pgrp(t, arg);
	case TIOCGSID:
		return put_int(arg, tty_get_session(t));
	case TIOCOUTQ:
		return put_int(arg, 0);
	case FIONREAD:
		return put_int(arg, readable(t));
	case TIOCGWINSZ:
		return get_size(t, arg);
	case TIOCSWINSZ:
		return set_size(t, arg);
	case TIOCGSERIAL:
		return get_serial(arg);
	case TIOCGDEV:
		return put_int(arg, RDEV_TTYS0);
	case TIOCVHANGUP:
		tty_hangup(t);
		return 0;
	default:
		return -ENOTTY;
	}
}
