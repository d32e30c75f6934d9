/* SPDX-License-Identifier: MIT */
/*
 * What is pending for a thread or a process. Of signals 1 to 31 one is kept, in a slot of its own,
 * so they need no memory. Of the real-time signals each is kept, in a list sorted by number and
 * among equals by age. When a process has as many as its limit allows, or there is no memory, one
 * that carries data is refused; of the others it is only noted that there was one.
 */
#include "proc.h"
#include "slab.h"

struct rt_signal {
	struct rt_signal *next;
	struct siginfo info;
};

static struct rt_signal *rt_alloc(struct process *p)
{
	struct rt_signal *r;

	if (p->nqueued >= p->rlim_sigpending)
		return NULL;
	r = kmalloc(sizeof(*r));
	if (r)
		p->nqueued++;
	return r;
}

static void rt_free(struct process *p, struct rt_signal *r)
{
	p->nqueued--;
	kfree(r);
}

/* Where the first signal of a number above `sig` stands. */
static struct rt_signal **rt_behind(struct sigqueue *q, int sig)
{
	struct rt_signal **at = &q->rt;

	while (*at && (*at)->info.signo <= sig)
		at = &(*at)->next;
	return at;
}

static __attribute__((__noinline__)) int rt_add(struct process *p, struct sigqueue *q, int sig,
						const struct siginfo *info)
{
	struct rt_signal *r = rt_alloc(p);

	if (r) {
		struct rt_signal **at = rt_behind(q, sig);

		r->info = info ? *info : (struct siginfo){.code = SI_KERNEL};
		r->info.signo = sig;
		r->next = *at;
		*at = r;
	} else if (info && info->code != SI_USER) {
		return -EAGAIN;
	}
	q->set |= SIGMASK(sig);
	return 0;
}

int sigqueue_add_locked(struct process *p, struct sigqueue *q, int sig, const struct siginfo *info,
			bool replace)
{
	if (sig >= SIGRTMIN)
		return rt_add(p, q, sig, info);
	if (!(q->set & SIGMASK(sig)) || replace) {
		struct siginfo *slot = &q->info[sig - 1];

		if (info)
			*slot = *info;
		else
			*slot = (struct siginfo){.code = SI_KERNEL};
		slot->signo = sig;
		q->set |= SIGMASK(sig);
	}
	return 0;
}

static __attribute__((__noinline__)) void rt_take(struct process *p, struct sigqueue *q, int sig,
						  struct siginfo *info)
{
	struct rt_signal **at = rt_behind(q, sig - 1), *r = *at;

	if (!r || r->info.signo != sig) { /* there was no room for what it carried */
		*info = (struct siginfo){.signo = sig, .code = SI_USER};
		q->set &= ~SIGMASK(sig);
		return;
	}
	*info = r->info;
	*at = r->next;
	if (!r->next || r->next->info.signo != sig)
		q->set &= ~SIGMASK(sig);
	rt_free(p, r);
}

void sigqueue_take_locked(struct process *p, struct sigqueue *q, int sig, struct siginfo *info)
{
	if (sig >= SIGRTMIN) {
		rt_take(p, q, sig, info);
		return;
	}
	*info = q->info[sig - 1];
	q->set &= ~SIGMASK(sig);
}

void sigqueue_drop_locked(struct process *p, struct sigqueue *q, sigset_t set)
{
	struct rt_signal **at = &q->rt, *r;

	q->set &= ~set;
	while ((r = *at) != NULL) {
		if (set & SIGMASK(r->info.signo)) {
			*at = r->next;
			rt_free(p, r);
		} else {
			at = &r->next;
		}
	}
}
