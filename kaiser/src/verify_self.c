/* SPDX-License-Identifier: MIT */
/*
 * The table run on the library's own roots, while other CPUs run.
 *
 * What a user root maps in the kernel half never changes once a CPU is prepared, but for the LDT of
 * its space (verify_with_ldt), so it can be walked at any time. The user half's top level does
 * change. Each entry of a pair is two stores, and slot->seq is odd between them (slots.c): a look
 * at the user half counts only if it saw one even value before and after. Below the top level this
 * does not look: those tables are the host's, and may be freed meanwhile.
 *
 * Of the entry page, the stacks and scratch words hold what the running thread or event left. A
 * thread can put there whatever it likes: judged by value, it could raise an error at will, and
 * learn from the verdict which kernel addresses it guessed right. So they are searched only while
 * no space but the empty one has ever been, and on the calling CPU, where no event is half way.
 */
#include "internal.h"
#include "verify_internal.h"

#define TRIES 64

extern const char kaiser_entry_syscall64[], kaiser_entry_syscall32[],
	kaiser_entry_syscall32_closed[], kaiser_entry_sysenter[];

struct self {
	struct kaiser *k;
	const struct kaiser_cpu *c;
	void (*line)(void *arg, const char *text);
	void *arg;
	bool quiet;
};

static int self_read(void *ctx, uint64_t pa, void *buf, size_t n)
{
	const struct self *s = ctx;
	const struct kaiser_config *cfg = &s->k->cfg;
	const char *page = cfg->ops->phys_to_virt(cfg->ctx, pa & PTE_ADDR);
	char *to = buf;

	if (!page)
		return -1;
	page += pa & (KAISER_PAGE_SIZE - 1);
	if (n == 8 && (pa & 7) == 0) { /* an entry: whole */
		uint64_t v = __atomic_load_n((const uint64_t *)page, __ATOMIC_RELAXED);
		for (unsigned i = 0; i < 8; i++)
			to[i] = (char)(v >> (8 * i));
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = page[i];
	return 0;
}

static bool self_is_root(void *ctx, uint64_t pa)
{
	const struct self *s = ctx;

	if (pa == (s->k->cfg.kernel_root & PTE_ADDR))
		return true;
	for (unsigned cpu = 0; cpu < s->k->cfg.cpus; cpu++)
		for (unsigned i = 0; s->k->cpu[cpu] && i < s->k->cpu[cpu]->slots; i++)
			if ((pa & ~(uint64_t)KAISER_SWITCH_BIT) == s->k->cpu[cpu]->slot[i].pa)
				return true;
	return false;
}

static bool self_is_foreign(void *ctx, uint64_t pa)
{
	const struct self *s = ctx;
	const struct kaiser_config *cfg = &s->k->cfg;

	for (unsigned cpu = 0; cpu < cfg->cpus; cpu++) {
		const struct kaiser_cpu *c = s->k->cpu[cpu];
		for (unsigned i = 0; c && c != s->c && i < KAISER_STRIDE_PAGES; i++)
			if (c->page[i] && cfg->ops->virt_to_phys(cfg->ctx, c->page[i]) == pa)
				return true;
	}
	return false;
}

/* The gate text as the template has it holds no distance that depends on the kernel's place: those
 * are filled in when the kernel view is built, in pages that are not visible. */
static bool self_is_constant(void *ctx, uint64_t va, unsigned n)
{
	const struct self *s = ctx;
	const uint8_t *view = s->k->text_user;
	uint64_t offset = va - s->k->cfg.window - KAISER_WIN_TEXT;

	if (offset >= KAISER_PAGE_SIZE)
		return false;
	for (unsigned i = 0; i < n && offset + i < KAISER_PAGE_SIZE; i++)
		if (view[offset + i] != (uint8_t)kaiser_template[offset + i])
			return false;
	return true;
}

/* ---- lines ---- */

struct text {
	char s[192];
	unsigned n;
};

static void put(struct text *t, const char *s)
{
	while (*s && t->n < sizeof(t->s) - 1)
		t->s[t->n++] = *s++;
	t->s[t->n] = 0;
}

static void put_number(struct text *t, uint64_t v)
{
	char digits[21];
	unsigned n = sizeof(digits) - 1;

	digits[n] = 0;
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put(t, &digits[n]);
}

static void begin(struct text *t, const struct self *s)
{
	t->n = 0;
	put(t, "cpu ");
	put_number(t, s->c->number);
	put(t, ": ");
}

static void say(const struct self *s, const char *what)
{
	struct text t;

	begin(&t, s);
	put(&t, what);
	s->line(s->arg, t.s);
}

#ifdef KAISER_DEBUG
static void put_hex(struct text *t, const char *before, uint64_t v)
{
	char digit[2] = {0, 0};

	put(t, before);
	for (int shift = 60; shift >= 0; shift -= 4) {
		digit[0] = "0123456789abcdef"[v >> shift & 15];
		put(t, digit);
	}
}
#endif

static void self_finding(void *ctx, const struct kaiser_finding *f)
{
	static const char *const severity[] = {"info: ", "unknown: ", "warning: ", "ERROR: "};
	const struct self *s = ctx;
	struct text t;
	size_t n;

	if (s->quiet || f->severity == KAISER_INFO)
		return;
	begin(&t, s);
	put(&t, severity[f->severity]);
	n = kaiser_finding_text(f, t.s + t.n, sizeof(t.s) - t.n);
	t.n += (unsigned)(n < sizeof(t.s) - t.n ? n : sizeof(t.s) - t.n - 1);
#ifdef KAISER_DEBUG
	if (f->start | f->end) {
		put_hex(&t, " at ", f->start);
		put_hex(&t, " to ", f->end);
	}
	if (f->value)
		put_hex(&t, " value ", f->value);
#endif
	s->line(s->arg, t.s);
}

static void say_totals(const struct self *s, const struct kaiser_machine *m)
{
	struct kaiser_totals n;
	struct text t;

	kaiser_totals(m, &n);
	begin(&t, s);
	put_number(&t, n.pages);
	put(&t, " supervisor pages (");
	put_number(&t, n.pages * (KAISER_PAGE_SIZE / 1024));
	put(&t, " KiB) under the user root, ");
	put_number(&t, n.writable);
	put(&t, " writable, ");
	put_number(&t, n.writable_executable);
	put(&t, " writable and executable");
	s->line(s->arg, t.s);
}

/* ---- one CPU ---- */

static uint64_t exit_cr3_of(const struct self *s)
{
	return __atomic_load_n(&s->c->exit_cr3, __ATOMIC_RELAXED);
}

static void describe(struct self *s, struct kaiser_machine *m,
		     struct kaiser_allowed allowed[KAISER_ALLOWED_MAX], uint64_t pair, uint64_t ldt,
		     uint64_t exit_cr3)
{
	const struct kaiser_config *cfg = &s->k->cfg;
	uint64_t base = cpu_base(s->k, s->c->number);
	uint32_t r[4];

	*m = (struct kaiser_machine){
		.known = KAISER_KNOWN_CR3 | KAISER_KNOWN_KERNEL_ROOT | KAISER_KNOWN_CR4 |
			 KAISER_KNOWN_EFER | KAISER_KNOWN_IDT | KAISER_KNOWN_GDT | KAISER_KNOWN_TR |
			 KAISER_KNOWN_LSTAR | KAISER_KNOWN_CSTAR | KAISER_KNOWN_SYSENTER |
			 KAISER_KNOWN_WINDOW | KAISER_KNOWN_ALLOWED | KAISER_KNOWN_KERNEL_CR3 |
			 KAISER_KNOWN_LDT,
		.cr3 = exit_cr3,
		.kernel_root = pair,
		.kernel_cr3 = pair | (exit_cr3 & KAISER_PCID_MASK & ~(uint64_t)KAISER_USER_PCID),
		.switch_bit = KAISER_SWITCH_BIT,
		.cr4 = (s->k->levels == 5 ? CR4_LA57 : 0) | (s->k->policy.pcid ? CR4_PCIDE : 0),
		.efer = EFER_SCE | (s->k->nx ? EFER_NXE : 0),
		.idt_base = cfg->window + KAISER_WIN_IDT,
		.idt_limit = KAISER_VECTORS * 16 - 1,
		.gdt_base = base + KAISER_CPU_DESC,
		.gdt_limit = KAISER_GDT_ENTRIES * 8 - 1,
		.tr_base = base + KAISER_CPU_DESC + KAISER_TSS_OFF,
		.tr_limit = KAISER_TSS_LIMIT,
		.lstar = window_va(s->k, kaiser_entry_syscall64),
		.cstar = window_va(s->k, cfg->ia32 ? kaiser_entry_syscall32
						   : kaiser_entry_syscall32_closed),
		.sysenter_cs = cfg->ia32 ? KAISER_KERNEL_CS : 0,
		.sysenter_eip = cfg->ia32 ? window_va(s->k, kaiser_entry_sysenter) : 0,
		.live_start = base + KAISER_CPU_ENTRY,
		.live_end = base + KAISER_CPU_ENTRY + KAISER_IST_DF_TOP,
		.window_start = cfg->window,
		.window_end = cfg->window + kaiser_window_bytes_for(cfg->cpus, cfg->extra_pages),
		.allowed = allowed,
		.allowed_count = kaiser_allowed_list(s->k, s->c, ldt, allowed),
		.ldt_base = ldt ? kaiser_ldt_va(s->k) : 0,
		.ldt_limit = kaiser_ldt_pages(ldt) * KAISER_PAGE_SIZE - 1,
		.ctx = s,
		.read = self_read,
		.is_root = self_is_root,
		.is_foreign = self_is_foreign,
		.is_constant = self_is_constant,
	};
	hw_cpuid(0x80000000, 0, r);
	if (r[0] >= 0x80000008) {
		hw_cpuid(0x80000008, 0, r);
		m->pa_bits = r[0] & 0xff;
	}
}

/* A check of the user half's top level, on a pair that is written meanwhile. It counts if the pair
 * stood still, and was the one that exits load, isolated, before and after. */
static int run_between_writes(struct self *s, const struct kaiser_machine *m,
			      const struct kaiser_sink *sink, const struct kaiser_slot *slot,
			      const char *check)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
		int errors;
		if ((exit_cr3_of(s) ^ m->cr3) & ~KAISER_NOFLUSH)
			return 0; /* it runs something else by now */
		s->quiet = true;
		errors = kaiser_check_run(m, sink, check);
		s->quiet = false;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((exit_cr3_of(s) ^ m->cr3) & ~KAISER_NOFLUSH)
			return 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((seq & 1) || __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) != seq)
			continue;
		return errors ? kaiser_check_run(m, sink, check) : 0;
	}
	say(s, "unknown: the user half changes too fast to be looked at");
	return 0;
}

static int run_pointers(struct self *s, struct kaiser_machine *m, const struct kaiser_sink *sink)
{
	uint64_t flags = hw_irq_save();

	if (s->c->number == hw_this_cpu()->number &&
	    __atomic_load_n(&s->k->next_space_id, __ATOMIC_RELAXED) == s->k->empty.id) {
		struct kaiser_machine whole = *m;
		whole.live_start = whole.live_end = 0;
		s->quiet = true;
		if (kaiser_check_run(&whole, sink, "pointers") > 0)
			m->live_start = m->live_end = 0; /* to be found again, and said */
		s->quiet = false;
	}
	hw_irq_restore(flags);
	return kaiser_check_run(m, sink, "pointers");
}

/*
 * An LDT comes and goes with the space, and its tables are freed when no slot that is loaded leads
 * to them any more. So what was seen counts if meanwhile the slot was not written and stayed
 * loaded. Returns the number of errors; -1: that could not be had.
 */
static int verify_with_ldt(struct self *s, struct kaiser_machine *m, struct kaiser_allowed *allowed,
			   const struct kaiser_slot *slot, uint64_t exit_cr3)
{
	const struct kaiser_sink sink = {s, self_finding};

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
		int errors;
		describe(s, m, allowed, slot->pa, __atomic_load_n(&slot->ldt, __ATOMIC_RELAXED),
			 exit_cr3);
		s->quiet = true;
		errors = kaiser_check_run(m, &sink, NULL);
		s->quiet = false;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((exit_cr3_of(s) ^ exit_cr3) & ~KAISER_NOFLUSH)
			break;
		if ((seq & 1) || __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) != seq)
			continue;
		if (errors == 0)
			say_totals(s, m);
		return errors;
	}
	say(s, "unknown: its LDT changes too fast to be looked at");
	return -1;
}

static int verify_cpu(struct self *s)
{
	const struct kaiser_sink sink = {s, self_finding};
	uint64_t exit_cr3 = exit_cr3_of(s);
	uint64_t pair = exit_cr3 & PTE_ADDR & ~(uint64_t)KAISER_SWITCH_BIT;
	const struct kaiser_slot *slot = NULL;
	struct kaiser_allowed allowed[KAISER_ALLOWED_MAX];
	struct kaiser_machine m;
	const struct kaiser_check *checks;
	size_t n;
	int errors = 0;

	for (unsigned i = 0; i < s->c->slots; i++)
		if (s->c->slot[i].pa == pair)
			slot = &s->c->slot[i];
	if (!slot) {
		say(s, "ERROR: isolated: the exit loads a root that is in no slot");
		return 1;
	}
	if (!(exit_cr3 & KAISER_SWITCH_BIT) && s->k->opted_out) {
		say(s, "runs a space that opted out of isolation");
		return 0;
	}
	if (__atomic_load_n(&slot->ldt, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&s->k->iomaps, __ATOMIC_RELAXED)) {
		errors = verify_with_ldt(s, &m, allowed, slot, exit_cr3);
		if (errors <= 0)
			return 0;
		errors = 0; /* to be found again, and said */
	}
	describe(s, &m, allowed, pair, slot->ldt, exit_cr3);
	checks = kaiser_checks(&n);
	for (size_t i = 0; i < n; i++) {
		if (same_name(checks[i].name, "kaslr") || same_name(checks[i].name, "residue"))
			continue; /* several boots, several processes: only a tool sees those */
		if (same_name(checks[i].name, "sync") || same_name(checks[i].name, "nx_poison"))
			errors += run_between_writes(s, &m, &sink, slot, checks[i].name);
		else if (same_name(checks[i].name, "pointers"))
			errors += run_pointers(s, &m, &sink);
		else
			errors += kaiser_check_run(&m, &sink, checks[i].name);
	}
	say_totals(s, &m);
	return errors;
}

int kaiser_verify(struct kaiser *k, void (*line)(void *arg, const char *text), void *arg)
{
	struct self s = {.k = k, .line = line, .arg = arg};
	int errors = 0;

	if (!k || !line || !k->cfg.ops)
		return KAISER_E_ARG;
	if (!k->policy.isolate) {
		line(arg, "isolation is off, so user mode runs on kernel roots: nothing to check");
		return 0;
	}
	for (unsigned cpu = 0; cpu < k->cfg.cpus; cpu++) {
		s.c = k->cpu[cpu];
		if (!s.c || !s.c->entered)
			continue;
		if (s.c->foreign)
			say(&s, "runs on a table of the host's own: no user mode");
		else
			errors += verify_cpu(&s);
	}
	return errors;
}
