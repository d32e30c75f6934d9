/* SPDX-License-Identifier: MIT */
/* Each function in its place, and each of its errors. */
#include "api.h"

static const uint64_t data_segment[] = {LDT_DATA}, tss[] = {LDT_SYSTEM};

/* ---- before any gate is live ---- */

static bool all_zero(const void *p, size_t n)
{
	while (n > 0)
		if (((const char *)p)[--n])
			return false;
	return true;
}

void calls_before_init(void)
{
	struct kaiser_config bad = config;

	check(kaiser_policy_parse("quiet pti=off nopcid") == KAISER_OFF, "pti=off is read");
	check(kaiser_policy_parse_nopcid("quiet nopcid") && !kaiser_policy_parse_nopcid(""),
	      "nopcid is read");
	check(kaiser_window_bytes(1) == UINT64_C(2) << 20, "a window of one CPU takes 2 MiB");
	check(kaiser_window_bytes_for(8, 200) > kaiser_window_bytes(8), "extra pages take room");
	check(*kaiser_strerror(KAISER_E_NOMEM) && kaiser_strerror(1), "each error has a sentence");

	bad.window += PAGE;
	WANT(KAISER_E_ARG, kaiser_init, (&kaiser, &bad), "a window that is not aligned");
	WANT(KAISER_E_ARG, kaiser_init, (NULL, &config), "no struct kaiser");
	bad = config;
	bad.kernel_root += PAGE;
	WANT(KAISER_E_FOREIGN, kaiser_init, (&kaiser, &bad), "a root on an odd page");
	for (fail_alloc = 0; fail_alloc < 3; fail_alloc++) {
		int which = fail_alloc;
		WANT(KAISER_E_NOMEM, kaiser_init, (&kaiser, &config), "no page");
		fail_alloc = which;
	}
	fail_alloc = -1;
	fail_map = 2;
	WANT(KAISER_E_MAP, kaiser_init, (&kaiser, &config), "the third mapping fails");
	check(all_zero(&kaiser, sizeof(kaiser)), "a failure leaves nothing");
	WANT(KAISER_OK, kaiser_init, (&kaiser, &config), "and then it works");
	WANT(KAISER_E_STATE, kaiser_init, (&kaiser, &config), "twice");
}

void calls_prepare(void)
{
	uint64_t *top = phys_to_virt(NULL, kernel_root), was = top[400];

	check(!kaiser_cpu_host_area(&kaiser, 0), "no host area before kaiser_cpu_prepare()");
	WANT(KAISER_E_ARG, kaiser_cpu_prepare, (&kaiser, MAX_CPUS), "a CPU too many");
	top[400] = kernel_root | PTE_P;
	WANT(KAISER_E_KERNEL_HALF, kaiser_cpu_prepare, (&kaiser, 0), "an entry more");
	top[400] = was;
	fail_alloc = 7;
	WANT(KAISER_E_NOMEM, kaiser_cpu_prepare, (&kaiser, 0), "the eighth page is missing");
	fail_map = 3;
	WANT(KAISER_E_MAP, kaiser_cpu_prepare, (&kaiser, 0), "the fourth mapping fails");
	fail_map = -1;
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		if (kaiser_cpu_prepare(&kaiser, cpu))
			panic(NULL, "kaiser_cpu_prepare");
	WANT(KAISER_E_STATE, kaiser_cpu_prepare, (&kaiser, 0), "twice");
	check(kaiser_cpu_host_area(&kaiser, 0), "a host area");
	WANT(KAISER_E_STATE, kaiser_cpu_enter, (&kaiser, MAX_CPUS, 0),
	     "a CPU that is not prepared");
}

/* ---- on a running system ---- */

static void spaces(void)
{
	uint64_t *table = page(), *first = page();
	uint64_t got[4] = {0};

	WANT(KAISER_E_ARG, kaiser_space_init, (&kaiser, &space, space_top + 1), "not a page");
	WANT(KAISER_OK, kaiser_space_init, (&kaiser, &space, space_top), "a space");
	map_page(table, USER_CODE, virt_to_phys(NULL, first), PTE_P | PTE_U);
	map_page(table, USER_DATA, virt_to_phys(NULL, page()), PTE_P | PTE_U | PTE_W | PTE_NX);
	WANT(KAISER_E_ARG, kaiser_space_set_top, (&space, 256, table[0]), "the kernel half");
	WANT(KAISER_OK, kaiser_space_set_top, (&space, 0, table[0]), "an entry");
	check(space_top[0] == table[0], "it is in the host's table");
	kaiser_space_switch(&kaiser, &space);
	*first = 42;
	check(*(volatile uint64_t *)USER_CODE == 42, "the space that was switched to is there");
	map_page(table, USER_CODE, virt_to_phys(NULL, space_top), PTE_P | PTE_U);
	kaiser_flush_page(&space, USER_CODE);
	check(*(volatile uint64_t *)USER_CODE == (space_top[0] & ~UINT64_C(0)), "a page flushed");
	map_page(table, USER_CODE, virt_to_phys(NULL, first), PTE_P | PTE_U);
	kaiser_flush_range(&space, USER_CODE, USER_CODE + PAGE, true);
	check(*(volatile uint64_t *)USER_CODE == 42, "a range flushed");
	kaiser_flush_space(&space, false);
	kaiser_flush_all(&kaiser);
	kaiser_space_lazy(&kaiser);
	kaiser_space_switch(&kaiser, &space);

	WANT(KAISER_E_ARG, kaiser_space_set_ldt, (&space, tss, 1), "a TSS in an LDT");
	fail_alloc = 0;
	WANT(KAISER_E_NOMEM, kaiser_space_set_ldt, (&space, data_segment, 1), "no page for it");
	fail_alloc = -1;
	WANT(KAISER_OK, kaiser_space_set_ldt, (&space, data_segment, 1), "an LDT");
	check(kaiser_space_get_ldt(&space, got, 4) >= 1 && (got[0] | 1) != 1, "it is read back");
	WANT(KAISER_OK, kaiser_space_set_ldt, (&space, NULL, 0), "taken away");
	check(kaiser_space_get_ldt(&space, got, 4) == 0, "it is gone");
}

/* A second library, never entered, without room for LDTs, on 2 MiB of its own that it maps itself.
 */
static void without_ldts(void)
{
	static struct kaiser other;
	struct kaiser_ops own = ops;
	struct kaiser_config cfg = config;
	struct kaiser_space s;

	own.map = NULL;
	cfg.ops = &own;
	cfg.cpus = 1;
	cfg.window += UINT64_C(32) << 21;
	cfg.ldt_top = 0;
	cfg.extra_pages = 0;
	WANT(KAISER_E_ARG, kaiser_init, (&other, &cfg), "unmap without map");
	own.unmap = NULL;
	fail_alloc = 6; /* after its own: a table */
	WANT(KAISER_E_NOMEM, kaiser_init, (&other, &cfg), "no page for a table");
	fail_alloc = -1;
	map_page(phys_to_virt(NULL, kernel_root), cfg.window + PAGE, 0, PTE_P);
	WANT(KAISER_E_MAP, kaiser_init, (&other, &cfg), "a page where the window goes");
	map_page(phys_to_virt(NULL, kernel_root), cfg.window + PAGE, 0, 0);
	own.interrupt_cpus = NULL;
	cfg.cpus = 2;
	WANT(KAISER_E_ARG, kaiser_init, (&other, &cfg), "two CPUs, and none can reach the other");
	cfg.cpus = 1;
	WANT(KAISER_OK, kaiser_init, (&other, &cfg), "no map hook, one CPU, no call hook");
	WANT(KAISER_OK, kaiser_cpu_prepare, (&other, 0), "its CPU");
	check(*(volatile uint64_t *)cfg.window &&
		      (uint64_t)kaiser_cpu_host_area(&other, 0) > cfg.window,
	      "its window is mapped");
	if (kaiser_space_init(&other, &s, page()))
		panic(NULL, "a space of the second library");
	WANT(KAISER_E_STATE, kaiser_space_set_ldt, (&s, data_segment, 1), "config.ldt_top is 0");
}

static void extra(void)
{
	uint64_t *page = page_alloc(NULL, 0), at = 0, again;

	*page = 4711;
	WANT(KAISER_E_ARG, kaiser_extra_add, (&kaiser, 0, page, 1, KAISER_PROT_X, &at),
	     "executable");
	WANT(KAISER_E_STATE, kaiser_extra_add, (&kaiser, 0, page, 257, 0, &at),
	     "more than there is room");
	fail_map = 0;
	WANT(KAISER_E_MAP, kaiser_extra_add, (&kaiser, 0, page, 1, 0, &at), "no mapping");
	fail_map = -1;
	fail_alloc = 0; /* CPU 7's part lies behind what the tables there span */
	WANT(KAISER_E_NOMEM, kaiser_extra_add, (&kaiser, 7, page, 1, 0, &at), "no table");
	fail_alloc = -1;
	WANT(KAISER_OK, kaiser_extra_add, (&kaiser, 0, page, 1, 0, &at), "a page");
	check(*(volatile uint64_t *)at == 4711, "it is where it was said");
	WANT(KAISER_E_ARG, kaiser_extra_remove, (&kaiser, 0, at + PAGE), "nothing is there");
	WANT(KAISER_OK, kaiser_extra_remove, (&kaiser, 0, at), "taken out");
	WANT(KAISER_OK, kaiser_extra_add, (&kaiser, 0, page, 1, 0, &again), "once more");
	check(again == at, "in the same place");
	kaiser_extra_remove(&kaiser, 0, again);
}

static void ports(void)
{
	static uint64_t denied[KAISER_IOMAP_BYTES / 8];

	fail_alloc = 1;
	WANT(KAISER_E_NOMEM, kaiser_iomap_enable, (&kaiser), "the second page is missing");
	fail_alloc = -1;
	fail_map = 1;
	WANT(KAISER_E_MAP, kaiser_iomap_enable, (&kaiser), "the second mapping fails");
	fail_map = -1;
	WANT(KAISER_OK, kaiser_iomap_enable, (&kaiser), "and again");
	kaiser_iomap_load(&kaiser, denied, 1);
	kaiser_iomap_load(&kaiser, NULL, 0);
}

static uint64_t ran; /* CPUs that ran it, with interrupts off */

static void run(void *arg)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	if (arg == &ran && !(flags & 0x200))
		__atomic_or_fetch(&ran, UINT64_C(1) << kaiser_this_cpu(), __ATOMIC_SEQ_CST);
}

/* Of eight prepared CPUs as many run as QEMU was told, this one being number 0. */
static void calling(void)
{
	uint64_t others = ((UINT64_C(1) << cpus) - 1) & ~UINT64_C(1);

	called("kaiser_this_cpu");
	called("kaiser_host_area");
	check(kaiser_this_cpu() == 0 && kaiser_host_area() == kaiser_cpu_host_area(&kaiser, 0),
	      "a CPU knows its number and its host area");
	check(cpus > 1 && kaiser.live == (others | 1), "there are others");
	for (unsigned own = 0; own < 2; own++) {
		ops.call_cpus = own ? hook_call_cpus : NULL;
		interrupts_sent = 0;
		ran = 0;
		kaiser_call_cpus(&kaiser, others, run, &ran);
		check(ran == others && interrupts_sent == 1,
		      own ? "call_cpus calls" : "interrupt_cpus calls");
		ran = 0;
		kaiser_call_cpus(&kaiser, ~UINT64_C(0), run, &ran);
		check(ran == kaiser.live && interrupts_sent == 2,
		      "the calling CPU too, and who never entered is passed by");
		kaiser_call_cpus(&kaiser, ~others, run, &ran);
		check(interrupts_sent == 2, "nobody else: no interrupt");
		ran = 0;
		kaiser_serve_call(&kaiser);
		check(ran == 0, "who is not asked serves nothing");
		kaiser_flush_all(&kaiser);
		check(interrupts_sent == 3, "a flush goes that way");
	}
	ops.call_cpus = NULL;
}

void calls_running(void)
{
	static const uint64_t good_tls[KAISER_TLS_ENTRIES] = {LDT_DATA},
			      bad_tls[KAISER_TLS_ENTRIES] = {0, LDT_SYSTEM};

	WANT(KAISER_E_STATE, kaiser_cpu_enter, (&kaiser, 0, 0), "twice");
	spaces();
	calling();
	without_ldts();
	extra();
	ports();
	WANT(KAISER_E_ARG, kaiser_set_tls, (bad_tls), "a TSS as TLS segment");
	WANT(KAISER_OK, kaiser_set_tls, (good_tls), "a TLS segment");
	kaiser_set_mode(&kaiser, KAISER_OFF);
	check(!kaiser.policy.isolate, "isolation is off");
	kaiser_set_mode(&kaiser, KAISER_ON);
	check(kaiser.policy.isolate, "isolation is on");
	kaiser_space_isolate(&space, false);
	kaiser_space_isolate(&space, true);

	WANT(KAISER_E_ARG, kaiser_load_foreign, (&kaiser, kernel_root + 8), "not a page");
	WANT(KAISER_E_FOREIGN, kaiser_load_foreign, (&kaiser, kernel_root + PAGE), "an odd page");
	WANT(KAISER_OK, kaiser_load_foreign, (&kaiser, 0), "the host's own root");
	kaiser_space_switch(&kaiser, NULL);
	kaiser_cpu_leave(&kaiser);
	check(!(kaiser.live & 1), "a CPU has left");
	host_enter(0);
	check(kaiser.live & 1, "and come back");
	kaiser_flush_kernel(&kaiser, KERNEL_BASE, KERNEL_BASE + PAGE);
	check(kaiser_breakpoint_allowed(&kaiser, USER_CODE, 8) &&
		      !kaiser_breakpoint_allowed(&kaiser, config.window, 1),
	      "breakpoints: on user memory only");
}

/* ---- looking at it ---- */

static unsigned lines, findings;

static void line(void *arg, const char *text)
{
	if (arg)
		note((const char *)arg, text);
	lines++;
}

static void finding(void *ctx, const struct kaiser_finding *f)
{
	char text[160];

	if (f->severity == KAISER_ERROR && kaiser_finding_text(f, text, sizeof(text)) > 0) {
		findings++;
		note("finding: ", text);
	}
}

static int read_memory(void *ctx, uint64_t pa, void *buf, size_t n)
{
	if (pa >= UINT64_C(64) << 20)
		return -1;
	for (size_t i = 0; i < n; i++)
		((volatile char *)buf)[i] = ((const char *)phys_to_virt(ctx, pa))[i];
	return 0;
}

static int count_leaves(void *arg, const struct kaiser_visit *v)
{
	*(unsigned *)arg += v->kind == KAISER_VISIT_LEAF;
	return 0;
}

void calls_looking(void)
{
	struct kaiser_machine m = {.known = KAISER_KNOWN_CR3, .read = read_memory};
	struct kaiser_sink sink = {.finding = finding};
	struct kaiser_slot_info slot;
	struct kaiser_totals totals;
	struct kaiser_stats stats;
	struct kaiser_visit leaf;
	unsigned leaves = 0, i = 0;
	size_t n = 0;

	kaiser_stats(&kaiser, &stats);
	check(stats.switches > 0 && stats.top_writes > 0, "switches and writes are counted");
	check(!kaiser_slot_info(&kaiser, 0, 99, &slot), "there is no slot 99");
	while (kaiser_slot_info(&kaiser, 0, i, &slot) && !slot.loaded)
		i++;
	check(slot.loaded && slot.isolated && slot.user_root == slot.kernel_root + PAGE,
	      "the loaded slot is a pair");
	m.cr3 = slot.user_root;
	check(kaiser_levels(&m) == 4, "four levels");
	check(kaiser_walk(&m, m.cr3, KAISER_KERNEL_HALF, false, count_leaves, &leaves) == 0 &&
		      leaves == 4,
	      "four pages are walked");
	kaiser_totals(&m, &totals);
	check(totals.complete && totals.pages == 4 && totals.global == 0, "four pages in all");
	check(kaiser_translate(&m, m.cr3, config.window, &leaf) && leaf.size == PAGE,
	      "the window translates");
	check(!kaiser_translate(&m, m.cr3, KERNEL_BASE + 0x100000, &leaf), "the kernel does not");
	check(kaiser_checks(&n) && n > 10, "there are checks");
	m.read = NULL;
	WANT(KAISER_E_ARG, kaiser_check_run, (&m, &sink, NULL), "no reader");
	m.read = read_memory;
	WANT(KAISER_E_ARG, kaiser_check_run, (&m, &sink, "no-such"), "no such check");
	check(kaiser_check_run(&m, &sink, "unaccounted") == KAISER_E_ARG ||
		      kaiser_check_run(&m, &sink, NULL) == 0,
	      "the checks find no error");
	m.known |= KAISER_KNOWN_KERNEL_ROOT;
	m.cr3 = m.kernel_root = slot.kernel_root; /* as if user mode ran on the kernel root */
	check(kaiser_check_run(&m, &sink, NULL) > 0 && findings > 0, "and errors where some are");
	lines = 0;
	WANT(KAISER_E_ARG, kaiser_verify, (NULL, line, NULL), "no library");
	check(kaiser_verify(&kaiser, line, (void *)"verify: ") == 0 && lines > 0,
	      "the library finds itself clean");
	kaiser_trace_dump(&kaiser, 0, line, NULL);
	check(kaiser_hole_name(&kaiser, config.window) == NULL, "the IDT is no hole");
}
