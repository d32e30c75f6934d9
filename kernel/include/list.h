/* SPDX-License-Identifier: MIT */
/* Doubly linked lists with the node inside the element. An empty head points at itself. */
#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

#include "base.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Inserts n after p: at the front when p is the head. */
static inline void list_add(struct list *p, struct list *n)
{
	n->next = p->next;
	n->prev = p;
	p->next->prev = n;
	p->next = n;
}

/* Inserts n before p: at the tail when p is the head. */
static inline void list_add_tail(struct list *p, struct list *n)
{
	list_add(p->prev, n);
}

/* Takes n out and leaves it empty, so that a second removal is harmless. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_first(head, type, member) container_of((head)->next, type, member)
#define list_next(e, type, member)     container_of((e)->member.next, type, member)
#define list_for_each_entry(e, head, type, member)                                                 \
	for (type *e = list_first(head, type, member); &e->member != (head);                       \
	     e = list_next(e, type, member))
/* Safe against removal of e itself inside the loop. */
#define list_for_each_entry_safe(e, n, head, type, member)                                         \
	for (type *e = list_first(head, type, member), *n = list_next(e, type, member);            \
	     &e->member != (head); e = n, n = list_next(n, type, member))

#endif
