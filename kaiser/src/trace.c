/* SPDX-License-Identifier: MIT */
/* The transition trace: a ring of a page per CPU, in debug builds. SWAPGS before the CR3 write is
 * what lets every entry find it. */
#include "internal.h"

#ifdef KAISER_DEBUG

struct transition {
	uint64_t ip, cr3_before, cr3_after, gs;
	uint64_t number;
	uint32_t what;
	uint32_t cs;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct transition) == 64, "a transition is a line");

#define TRACE_ENTRIES (KAISER_PAGE_SIZE / sizeof(struct transition))

static struct transition *ring(const struct kaiser_cpu *c)
{
	return c->page[KAISER_CPU_TRACE / KAISER_PAGE_SIZE];
}

void kaiser_trace_event(const struct pt_regs *regs, unsigned what, uint64_t cr3_before,
			uint64_t gs_before)
{
	struct kaiser_cpu *c = hw_this_cpu();
	uint64_t n = __atomic_fetch_add(&c->trace_pos, 1, __ATOMIC_RELAXED);

	ring(c)[n % TRACE_ENTRIES] = (struct transition){
		.ip = regs->ip,
		.cs = (uint32_t)regs->cs,
		.cr3_before = cr3_before,
		.cr3_after = hw_read_cr3(),
		.gs = gs_before,
		.number = n,
		.what = what,
	};
}

static char *put(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

void kaiser_trace_dump(struct kaiser *k, unsigned cpu, void (*line)(void *arg, const char *text),
		       void *arg)
{
	const struct kaiser_cpu *c = cpu < k->cfg.cpus ? k->cpu[cpu] : NULL;
	uint64_t end, n;

	if (!c)
		return;
	end = c->trace_pos;
	for (n = end > TRACE_ENTRIES ? end - TRACE_ENTRIES : 0; n < end; n++) {
		const struct transition *t = &ring(c)[n % TRACE_ENTRIES];
		char text[160], *p = text;
		p = put(p, t->what & KAISER_TRACE_SYSCALL ? "syscall "
			   : t->what & KAISER_TRACE_IA32  ? "ia32 call "
							  : "vector ");
		p = kaiser_put_hex(p, t->what & 0xff, 2);
		p = put(p, t->cs & 3 ? " from user   ip " : " from kernel ip ");
		p = kaiser_put_hex(p, t->ip, 16);
		p = put(p, " cr3 ");
		p = kaiser_put_hex(p, t->cr3_before, 12);
		p = put(p, " -> ");
		p = kaiser_put_hex(p, t->cr3_after, 12);
		p = put(p, " gs ");
		p = kaiser_put_hex(p, t->gs, 16);
		*p = 0;
		line(arg, text);
	}
}

#else

void kaiser_trace_dump(struct kaiser *k, unsigned cpu, void (*line)(void *arg, const char *text),
		       void *arg)
{
	(void)k;
	(void)cpu;
	(void)line;
	(void)arg;
}

#endif
