/* SPDX-License-Identifier: MIT */
/*
 * What a program's steps do. A step whose state does not allow it does nothing, so any list of
 * steps is a program and one can be shortened. Between any two writes another CPU may run.
 */
#include "model.h"

const char *const op_names[OPS] = {
	"map",   "unmap",   "protect", "free_table", "unmap_all", "top",  "switch",
	"lazy",  "user",    "kernel",  "syscall",    "fork",      "exec", "exit",
	"evict", "migrate", "kmap",    "kunmap",     "flush_all", "nmi",  "foreign",
	"leave", "mode",    "isolate", "ldt",
};

/* ---- who may use a space ---- */

struct space *hold(unsigned n)
{
	struct space *s = &m.space[n % SPACES];

	if (!s->exists || s->dying)
		return NULL;
	s->busy++;
	return s;
}

void drop(struct space *s)
{
	s->busy--;
}

int number(const struct space *s)
{
	return (int)(s - m.space);
}

void irq_off(void)
{
	this_cpu()->irq_on = false;
}

void irq_on(void)
{
	this_cpu()->irq_on = true;
	model_yield();
}

void run_space(int n)
{
	struct cpu *c = this_cpu();

	irq_off();
	c->space = n;
	kaiser_space_switch(&m.k, n < 0 ? NULL : host_space(n));
	c->lazy = c->foreign = false;
	check_cpu(c, "after a switch");
	irq_on();
}

void go_lazy(void)
{
	struct cpu *c = this_cpu();

	if (c->space < 0)
		return;
	irq_off();
	c->lazy = true;
	kaiser_space_lazy(&m.k);
	irq_on();
}

/* ---- to user mode and back ---- */

static void to_kernel_mode(void)
{
	struct cpu *c = this_cpu();

	if (!c->user)
		return;
	irq_off();
	gate_enter(c);
	irq_on();
}

static void to_user_mode(void)
{
	struct cpu *c = this_cpu();

	if (c->user || c->space < 0 || c->lazy || c->foreign || c->gone)
		return;
	irq_off();
	gate_exit(c);
	irq_on();
}

void do_step(const struct step *s)
{
	struct cpu *c = this_cpu();

	m.steps++;
	if (c->gone && s->op != OP_LEAVE)
		return;
	if (s->op == OP_NMI) {
		m.cpu[s->arg % m.cpus].nmi_in = 1 + s->n % 16u;
		return;
	}
	to_kernel_mode();
	switch ((enum op)s->op) {
	case OP_MAP:
		op_map(s);
		break;
	case OP_UNMAP:
		op_unmap(s);
		break;
	case OP_PROTECT:
		op_protect(s);
		break;
	case OP_FREE_TABLE:
		op_free_table(s);
		break;
	case OP_UNMAP_ALL:
		op_unmap_all(s);
		break;
	case OP_TOP:
		op_top(s);
		break;
	case OP_SWITCH:
		op_switch(s);
		break;
	case OP_LAZY:
		go_lazy();
		break;
	case OP_SYSCALL:
		to_user_mode();
		to_kernel_mode();
		break;
	case OP_FORK:
		op_fork(s);
		break;
	case OP_EXEC:
		op_exec(s);
		break;
	case OP_EXIT:
		op_exit(s);
		break;
	case OP_EVICT:
		op_evict(s);
		break;
	case OP_MIGRATE:
		op_migrate(s);
		break;
	case OP_KMAP:
		op_kmap(s);
		break;
	case OP_KUNMAP:
		op_kunmap(s, false);
		break;
	case OP_FLUSH_ALL:
		op_kunmap(s, true);
		break;
	case OP_FOREIGN:
		op_foreign();
		break;
	case OP_LEAVE:
		op_leave();
		break;
	case OP_MODE:
		op_mode(s);
		break;
	case OP_ISOLATE:
		op_isolate(s);
		break;
	case OP_LDT:
		op_ldt(s);
		break;
	case OP_USER:
	case OP_KERNEL:
	case OP_NMI:
	case OPS:
		break;
	}
	if (s->op == OP_USER || (s->op != OP_KERNEL && (s->arg & 4)))
		to_user_mode();
}
