/* SPDX-License-Identifier: MIT */
/* Spaces come and go, and CPUs go from one to another, to tables that are not the library's, or
 * away. */
#include <string.h>

#include "model.h"

static struct space *make_space(unsigned n)
{
	struct space *s = &m.space[n % SPACES];

	if (s->exists)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->top = arena_get(0);
	s->exists = s->dying = true; /* nobody may use it yet */
	kaiser_space_init(&m.k, &s->ks, s->top);
	return s;
}

void op_fork(const struct step *st)
{
	struct space *s = hold(st->space), *child;
	struct revoke r;

	if (!s)
		return;
	child = make_space(st->arg);
	if (!child) {
		drop(s);
		return;
	}
	lock(&s->lock);
	revoke_begin(&r, s);
	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t *e = entry_at(s, page_va(page), 0);
		if (!e || !(*e & PTE_P))
			continue;
		revoke_add(&r, page_va(page), 0, false, *e & PTE_ADDR);
		map_page(child, page, *e & PTE_ADDR, *e & PTE_NX ? 0 : TLB_X);
		write_entry(e, *e & ~PTE_W);
	}
	kaiser_flush_space(&s->ks, false);
	revoke_end(&r, "after fork");
	unlock(&s->lock);
	child->dying = false;
	drop(s);
}

/* Its last thread is gone: nobody but lazy CPUs and this one has it. */
static bool may_die(const struct space *s)
{
	if (!s->exists || s->dying || s->busy)
		return false;
	for (unsigned i = 0; i < m.cpus; i++)
		if (i != m.self && m.cpu[i].space == number(s) && !m.cpu[i].lazy)
			return false;
	return true;
}

static void check_evicted(const struct space *s)
{
	struct kaiser_slot_info si;

	for (unsigned i = 0; i < m.cpus; i++)
		for (unsigned slot = 0; kaiser_slot_info(&m.k, i, slot, &si); slot++)
			if (si.space_id == s->ks.id)
				fail("after evict: CPU %u still holds the space", i);
}

static void evict(struct space *s)
{
	lock(&m.mode_lock); /* it may have opted out */
	kaiser_space_evict(&s->ks);
	s->opted_out = false; /* evicting ends that */
	unlock(&m.mode_lock);
	check_evicted(s);
	for (unsigned i = 0; i < m.cpus; i++)
		if (m.cpu[i].space == number(s))
			m.cpu[i].space = -1;
}

static void bury(struct space *s)
{
	struct taken t = {.pages = 0};

	evict(s);
	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t *e = entry_at(s, page_va(page), 0);
		if (e && (*e & PTE_P))
			t.page[t.pages++] = *e & PTE_ADDR;
	}
	for (unsigned level = 1; level <= 3; level++)
		for (unsigned page = 0; page < PAGES; page += 8) {
			uint64_t *e = entry_at(s, page_va(page), level);
			if (!e || !(*e & PTE_P))
				continue;
			t.table[t.tables++] = (uint64_t *)(*e & PTE_ADDR);
			*e = 0;
		}
	s->exists = false;
	check_all("after exit");
	give_back(&t);
	arena_put(s->top, 0);
}

void op_exit(const struct step *st)
{
	struct space *s = &m.space[st->space % SPACES];

	if (!may_die(s))
		return;
	s->dying = true;
	if (this_cpu()->space == number(s)) {
		if (st->arg & 1)
			run_space(-1);
		else
			go_lazy();
	}
	bury(s);
}

void op_exec(const struct step *st)
{
	struct cpu *c = this_cpu();
	struct space *old, *s;

	if (c->space < 0 || c->lazy || !may_die(&m.space[c->space]))
		return;
	old = &m.space[c->space];
	old->dying = true; /* before anything lets others run */
	s = make_space(st->space);
	if (!s) {
		old->dying = false;
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		map_page(s, (st->page + i * 9) % PAGES, (uint64_t)arena_get(0), i);
	s->dying = false;
	s->busy++;
	run_space(number(s));
	s->busy--;
	bury(old);
}

/* The host may take a living space out of all slots: nobody is harmed but by the refill. */
void op_evict(const struct step *st)
{
	struct space *s = &m.space[st->space % SPACES];

	if (!may_die(s))
		return;
	s->dying = true;
	evict(s);
	s->dying = false;
}

void op_switch(const struct step *st)
{
	struct space *s;

	if (st->n % 8u == 0) {
		run_space(-1);
		return;
	}
	s = hold(st->space);
	if (!s) {
		s = make_space(st->space);
		if (!s)
			return;
		s->dying = false;
		s->busy++;
	}
	run_space(number(s));
	drop(s);
}

/* To what another CPU runs. */
void op_migrate(const struct step *st)
{
	int n = m.cpu[st->arg % m.cpus].space;
	struct space *s = n < 0 ? NULL : hold((unsigned)n);

	if (!s)
		return;
	run_space(n);
	drop(s);
}

void op_foreign(void)
{
	struct cpu *c = this_cpu();

	irq_off();
	c->space = -1;
	if (kaiser_load_foreign(&m.k, 0))
		fail("kaiser_load_foreign refuses the host's own table");
	c->lazy = false;
	c->foreign = true;
	irq_on();
}

/* A CPU goes, or comes back: alone, as hosts do it whose call_cpus waits for every CPU that it is
 * told. */
void op_leave(void)
{
	struct cpu *c = this_cpu();

	if ((m.round_steps != 1 && !model_by_interrupts) || c->number == 0)
		return;
	irq_off();
	if (c->gone) {
		c->gone = c->interrupted = false;
		if (kaiser_cpu_enter(&m.k, c->number, 0x1000))
			fail("CPU %u cannot come back", c->number);
		irq_on();
	} else {
		c->space = -1;
		kaiser_cpu_leave(&m.k);
		check_cpu(c, "after leaving");
		c->lazy = c->foreign = false;
		c->gone = true;
	}
}

/* ---- isolation on and off ---- */

/* When the call returns, no CPU may be left on the wrong root, nor able to execute user memory by
 * an entry from before. */
void op_mode(const struct step *st)
{
	bool on = st->arg & 3; /* mostly */

	lock(&m.mode_lock);
	m.changing++;
	kaiser_set_mode(&m.k, on ? KAISER_ON : KAISER_OFF);
	m.isolating = on;
	m.changing--;
	check_all("after a change of mode");
	unlock(&m.mode_lock);
}

void op_isolate(const struct step *st)
{
	struct space *s = hold(st->space);

	if (!s)
		return;
	lock(&m.mode_lock);
	s->changing++;
	s->opted_out = !(st->arg & 3);
	kaiser_space_isolate(&s->ks, !s->opted_out);
	s->changing--;
	check_all("after a change for one space");
	unlock(&m.mode_lock);
	drop(s);
}
