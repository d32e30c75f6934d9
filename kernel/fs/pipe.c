/* SPDX-License-Identifier: MIT */
/* Pipes and named FIFOs: a ring of pages, each allocated when first written and freed when read
 * empty. inode->priv is the struct pipe from the first open to the last close; inode->lock guards
 * it and its counts, pipe->lock what is inside. Sleepers look at the counts without a lock and look
 * again with it. A write of up to PIPE_ATOMIC bytes is never mixed with another's. */
#include "pipe.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

#define PIPE_ATOMIC    4096UL
#define PIPE_PAGES     16UL
#define PIPE_MAX_PAGES 256UL

struct pipe {
	struct mutex lock;
	struct waitq readable, writable;
	unsigned readers, writers;
	char **pages;
	size_t npages, head, used; /* npages: a power of two; bytes; head < npages * PAGE_SIZE */
	char *first[PIPE_PAGES];   /* pages, until the size is changed */
	struct waitq opened;
	unsigned reader_opens, writer_opens; /* ever: an opener waits for one to move */
};

#define SEEN(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

static struct pipe *pipe_create(void)
{
	struct pipe *p = kzalloc(sizeof(*p));
	if (p == NULL)
		return NULL;
	p->npages = PIPE_PAGES;
	p->pages = p->first;
	mutex_init(&p->lock);
	waitq_init(&p->readable);
	waitq_init(&p->writable);
	waitq_init(&p->opened);
	return p;
}

static void pages_free(const struct pipe *p, char **pages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pages[i] != NULL)
			page_free_virt(pages[i]);
	if (pages != p->first)
		kfree(pages);
}

static void pipe_destroy(struct pipe *p)
{
	pages_free(p, p->pages, p->npages);
	kfree(p);
}

static size_t room(const struct pipe *p)
{
	return p->npages * PAGE_SIZE - SEEN(p->used);
}

/* The first n bytes out of the ring; n <= used. p->lock held, as for ring_put. */
static void ring_get(struct pipe *p, char *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t off = p->head % PAGE_SIZE, i = p->head / PAGE_SIZE;
		size_t chunk = MIN(n - done, PAGE_SIZE - off);
		memcpy(buf + done, p->pages[i] + off, chunk);
		done += chunk;
		p->head = (p->head + chunk) & (p->npages * PAGE_SIZE - 1);
		__atomic_store_n(&p->used, p->used - chunk, __ATOMIC_RELAXED);
		/* Not if the ring's end wrapped into this page, nor the one in use. */
		if (off + chunk == PAGE_SIZE && p->used <= (p->npages - 1) * PAGE_SIZE) {
			page_free_virt(p->pages[i]);
			p->pages[i] = NULL;
		}
	}
}

/* Puts up to n <= room bytes in: how many, less only if memory ran out. */
static size_t ring_put(struct pipe *p, const char *buf, size_t n)
{
	size_t done = 0;
	while (done < n) {
		size_t tail = (p->head + p->used) & (p->npages * PAGE_SIZE - 1);
		size_t off = tail % PAGE_SIZE, i = tail / PAGE_SIZE;
		size_t chunk = MIN(n - done, PAGE_SIZE - off);
		if (p->pages[i] == NULL)
			p->pages[i] = page_zalloc();
		if (p->pages[i] == NULL)
			break;
		memcpy(p->pages[i] + off, buf + done, chunk);
		done += chunk;
		__atomic_store_n(&p->used, p->used + chunk, __ATOMIC_RELAXED);
	}
	return done;
}

static long pipe_read(struct file *f, void *buf, size_t n, unused uint64_t *pos)
{
	struct pipe *p = f->priv;
	for (;;) {
		mutex_lock(&p->lock);
		size_t got = MIN(n, p->used);
		ring_get(p, buf, got);
		mutex_unlock(&p->lock);
		if (got != 0) {
			wake_all(&p->writable);
			return (long)got;
		}
		if (SEEN(p->writers) == 0) {
			if (SEEN(p->used) == 0)
				return 0;
			continue; /* it wrote, then closed, after we looked */
		}
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err;
		wait_event_interruptible(&p->readable, SEEN(p->used) != 0 || SEEN(p->writers) == 0,
					 err);
		if (err != 0)
			return err;
	}
}

static long pipe_write(struct file *f, const void *buf, size_t n, unused uint64_t *pos)
{
	struct pipe *p = f->priv;
	size_t done = 0, least = n <= PIPE_ATOMIC ? n : 1;
	while (done < n) {
		if (SEEN(p->readers) == 0) {
			if (done == 0)
				signal_send_thread(current, SIGPIPE, NULL);
			return done != 0 ? (long)done : -EPIPE;
		}
		size_t put = 0;
		bool tried = false;
		mutex_lock(&p->lock);
		if (room(p) >= least) {
			tried = true;
			put = ring_put(p, (const char *)buf + done, MIN(n - done, room(p)));
		}
		mutex_unlock(&p->lock);
		done += put;
		if (put != 0)
			wake_all(&p->readable);
		if (done == n)
			break;
		if (tried && put == 0)
			return done != 0 ? (long)done : -ENOMEM;
		if (f->flags & O_NONBLOCK)
			return done != 0 ? (long)done : -EAGAIN;
		int err;
		wait_event_interruptible(&p->writable, room(p) >= least || SEEN(p->readers) == 0,
					 err);
		if (err != 0)
			return done != 0 ? (long)done : err;
	}
	return (long)done;
}

static void count_users(struct pipe *p, uint32_t flags, int by)
{
	uint32_t mode = flags & O_ACCMODE;
	if (mode != O_WRONLY)
		__atomic_add_fetch(&p->readers, (unsigned)by, __ATOMIC_RELAXED);
	if (mode != O_RDONLY)
		__atomic_add_fetch(&p->writers, (unsigned)by, __ATOMIC_RELAXED);
	if (by > 0 && mode != O_WRONLY)
		__atomic_add_fetch(&p->reader_opens, 1, __ATOMIC_RELAXED);
	if (by > 0 && mode != O_RDONLY)
		__atomic_add_fetch(&p->writer_opens, 1, __ATOMIC_RELAXED);
}

static void pipe_release(struct file *f)
{
	struct inode *in = f->inode;
	struct pipe *p = f->priv;
	mutex_lock(&in->lock);
	count_users(p, f->flags, -1);
	bool last = p->readers == 0 && p->writers == 0;
	if (last)
		in->priv = NULL;
	/* The wake-ups are inside: after unlocking, another last close may free p. */
	wake_all(&p->readable);
	wake_all(&p->writable);
	mutex_unlock(&in->lock);
	if (last)
		pipe_destroy(p);
}

static int pipe_open(struct inode *in, struct file *f)
{
	uint32_t mode = f->flags & O_ACCMODE;
	bool nameless = in->dev == DEV_PIPE;
	if (mode == O_ACCMODE)
		return -EINVAL;
	mutex_lock(&in->lock);
	struct pipe *p = in->priv;
	int err = 0;
	if (p == NULL) {
		p = pipe_create();
		if (p == NULL)
			err = -ENOMEM;
		else if (mode == O_WRONLY && (f->flags & O_NONBLOCK))
			err = -ENXIO;
		if (err == 0)
			in->priv = p;
		else if (p != NULL)
			pipe_destroy(p);
	} else if (mode == O_WRONLY && (f->flags & O_NONBLOCK) && p->readers == 0) {
		err = -ENXIO;
	}
	unsigned peers = 0;
	if (err == 0) {
		count_users(p, f->flags, 1);
		f->priv = p;
		/* poll: no hang-up before the first writer came */
		f->pos = p->writers == 0 && !nameless ? p->writer_opens : UINT64_MAX;
		peers = mode == O_RDONLY ? p->writer_opens : p->reader_opens;
		wake_all(&p->opened);
	}
	/* A pipe without a name, opened again through /proc, gets no new users to wait for. */
	bool wait = err == 0 && !nameless && mode != O_RDWR && !(f->flags & O_NONBLOCK) &&
		    (mode == O_RDONLY ? p->writers : p->readers) == 0;
	mutex_unlock(&in->lock);
	if (!wait)
		return err;
	/* Our own count keeps p alive while we sleep. */
	wait_event_interruptible(
		&p->opened,
		SEEN(*(mode == O_RDONLY ? &p->writer_opens : &p->reader_opens)) != peers, err);
	if (err != 0)
		pipe_release(f);
	return err;
}

static unsigned pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	uint32_t mode = f->flags & O_ACCMODE;
	unsigned ev = 0;
	if (mode != O_WRONLY) {
		poll_wait(pt, &p->readable);
		ev |= SEEN(p->used) != 0 ? POLLIN : 0;
		if (SEEN(p->writers) == 0 && f->pos != SEEN(p->writer_opens))
			ev |= POLLHUP;
	}
	if (mode != O_RDONLY) {
		poll_wait(pt, &p->writable);
		ev |= room(p) >= PIPE_ATOMIC ? POLLOUT : 0;
		ev |= SEEN(p->readers) == 0 ? POLLERR : 0;
	}
	return ev;
}

static long pipe_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	const struct pipe *p = f->priv;
	if (cmd != 0x541b) /* FIONREAD */
		return -ENOTTY;
	uint32_t n = (uint32_t)SEEN(p->used);
	return copy_to_user(arg, &n, sizeof(n));
}

const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.open = pipe_open,
	.release = pipe_release,
	.ioctl = pipe_ioctl,
	.poll = pipe_poll,
};

long pipe_size(struct file *f, bool set, uint64_t want)
{
	struct pipe *p = f->priv;
	size_t n = 1;
	if (!set)
		return (long)(p->npages * PAGE_SIZE);
	if (want > PIPE_MAX_PAGES * PAGE_SIZE)
		return want > INT32_MAX ? -EINVAL : -EPERM;
	while (n * PAGE_SIZE < want)
		n *= 2;
	char **pages = kzalloc(n * sizeof(*pages));
	if (pages == NULL)
		return -ENOMEM;
	long r = 0;
	mutex_lock(&p->lock);
	size_t used = p->used, top = (used + PAGE_SIZE - 1) / PAGE_SIZE;
	if (used > n * PAGE_SIZE)
		r = -EBUSY;
	for (size_t i = 0; r == 0 && i < top; i++)
		if ((pages[i] = page_zalloc()) == NULL)
			r = -ENOMEM;
	if (r == 0) {
		char **old = p->pages;
		size_t old_n = p->npages;
		for (size_t i = 0; i < top; i++)
			ring_get(p, pages[i], MIN(PAGE_SIZE, used - i * PAGE_SIZE));
		p->pages = pages;
		p->npages = n;
		p->head = 0;
		p->used = used;
		pages = old;
		n = old_n;
		r = (long)(p->npages * PAGE_SIZE);
	}
	mutex_unlock(&p->lock);
	pages_free(p, pages, n);
	wake_all(&p->writable);
	return r;
}

static long pipe_pair(uint64_t fds, uint32_t flags)
{
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	struct inode *in = inode_alloc(S_IFIFO | 0600);
	if (in == NULL)
		return -ENOMEM;
	in->dev = DEV_PIPE;
	in->ops = &pipe_ops;
	char path[40];
	snprintf(path, sizeof(path), "pipe:[%llu]", (unsigned long long)in->ino);
	struct file *r = file_on_inode(in, O_RDONLY, path);
	struct file *w = is_err(r) ? r : file_on_inode(in, O_WRONLY, path);
	inode_put(in);
	if (is_err(w)) {
		if (!is_err(r))
			file_put(r);
		return ptr_err(w);
	}
	r->flags = O_RDONLY | (flags & O_NONBLOCK);
	w->flags = O_WRONLY | (flags & O_NONBLOCK);
	int fd[2] = {fd_install(r, flags & O_CLOEXEC), -1};
	if (fd[0] < 0) {
		file_put(w);
		return fd[0];
	}
	fd[1] = fd_install(w, flags & O_CLOEXEC);
	if (fd[1] >= 0 && copy_to_user(fds, fd, sizeof(fd)) == 0)
		return 0;
	fd_close(fd[0]);
	if (fd[1] < 0)
		return fd[1];
	fd_close(fd[1]);
	return -EFAULT;
}

SYSCALL1(pipe, uint64_t, fds)
{
	return pipe_pair(fds, 0);
}

SYSCALL2(pipe2, uint64_t, fds, uint32_t, flags)
{
	return pipe_pair(fds, flags);
}
