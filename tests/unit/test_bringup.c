/* SPDX-License-Identifier: MIT */
/*
 * Bring-up on the fake host: every refusal by its name, memory and mappings that run out at every
 * point in turn, the two views, a CPU's registers, and the library's own look at itself.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c */
/* SRC: kaiser/src/pcid.c kaiser/src/mode.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"
#include <kaiser/verify.h>

struct mark {
	uint32_t offset, view;
};
struct patch {
	const char *target;
	uint64_t offset;
};
struct alternative {
	uint32_t offset, bytes, feature, pad;
};
extern const struct mark kaiser_marks_start[], kaiser_marks_end[];
extern const struct patch kaiser_patch_start[], kaiser_patch_end[];
extern const struct alternative kaiser_alt_start[], kaiser_alt_end[];
enum { BOTH, USER, KERNEL, OPEN };

static const struct kaiser zero;

/* After a refusal: all given back, and zeroed again. */
static void expect_refusal(int error)
{
	assert_int_equal(kaiser_init(&host.k, &host.cfg), error);
	assert_int_equal(host.pages_live, 0);
	assert_int_equal(host.mappings_live, 0);
	assert_memory_equal(&host.k, &zero, sizeof(zero));
}

static void bad_arguments(void **state)
{
	(void)state;
	host_init(2);
	assert_int_equal(kaiser_init(NULL, &host.cfg), KAISER_E_ARG);
	assert_int_equal(kaiser_init(&host.k, NULL), KAISER_E_ARG);
#define BAD(field, value)                     \
	do {                                  \
		host_init(2);                 \
		host.cfg.field = (value);     \
		expect_refusal(KAISER_E_ARG); \
	} while (0)
	BAD(ops, NULL);
	BAD(cpus, 0);
	BAD(cpus, KAISER_MAX_CPUS + 1);
	BAD(host_pages, 0);
	BAD(host_pages, KAISER_HOST_MAX_PAGES + 1);
	BAD(window, 0x200000);
	BAD(window, HOST_WINDOW + 0x1000);
	BAD(window,
	    UINT64_C(0xffffff7fffe00000)); /* two top-level entries; far from the text too */
	BAD(window, HOST_WINDOW - (UINT64_C(3) << 30));
	BAD(kernel_root, 0);
	BAD(kernel_root, host.cfg.kernel_root + 8);
	BAD(user_end, 0);
	BAD(user_end, 0x1000);
	BAD(user_end, HOST_USER_END + 1);
	host_free();
}

enum { MAP = 1, UNMAP = 2, CALL = 4, INTERRUPT = 8 };

static void no_interrupt(void *ctx, uint64_t mask)
{
	(void)ctx;
	(void)mask;
}

/* Every set of the hooks that may be left out, on one CPU and on two; the others one by one. */
static void missing_hooks(void **state)
{
	struct kaiser_ops ops;

	(void)state;
	for (unsigned set = 0; set < 32; set++) {
		unsigned cpus = set >> 4 ? 2 : 1;
		bool good =
			!(set & MAP) == !(set & UNMAP) && (cpus == 1 || set & (CALL | INTERRUPT));
		host_init(cpus);
		ops = *host.cfg.ops;
		if (!(set & MAP))
			ops.map = NULL;
		if (!(set & UNMAP))
			ops.unmap = NULL;
		if (!(set & CALL))
			ops.call_cpus = NULL;
		if (set & INTERRUPT)
			ops.interrupt_cpus = no_interrupt;
		host.cfg.ops = &ops;
		if (!good)
			expect_refusal(KAISER_E_ARG);
		else
			assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	}
#define MISSING(hook)                         \
	do {                                  \
		host_init(1);                 \
		ops = *host.cfg.ops;          \
		ops.hook = NULL;              \
		host.cfg.ops = &ops;          \
		expect_refusal(KAISER_E_ARG); \
	} while (0)
	MISSING(page_alloc);
	MISSING(page_free);
	MISSING(virt_to_phys);
	MISSING(phys_to_virt);
	MISSING(panic);
	host_free();
}

static void refused_machines(void **state)
{
	(void)state;
	host_init(2);
	host.cfg.kernel_root |= 0x1000;
	expect_refusal(KAISER_E_FOREIGN);

	host_init(2);
	host.cpus[0].cr4 = UINT64_C(1) << 32;
	expect_refusal(KAISER_E_FRED);

	host_init(2);
	host.cpus[0].cr4 = 1u << 23;
	host.cpus[0].s_cet = 1;
	expect_refusal(KAISER_E_SSS);
	host.cpus[0].s_cet = 4; /* branch tracking alone does no harm */
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);

	host_init(2);
	host_set_cpuid(0, 0x21, 0x756e6547, 0x6c65746e, 0x49656e69);
	host_set_cpuid(0x21, 0, 0x65746e49, 0x20202020, 0x5844546c);
	expect_refusal(KAISER_E_GUEST);

	host_init(2);
	host_set_cpuid(0x80000000, 0x8000001f, 0, 0, 0);
	host_set_cpuid(0x8000001f, 0xa, 0, 0, 0);
	host.cpus[0].sev = 3;
	expect_refusal(KAISER_E_GUEST);
	host.cpus[0].sev = 1; /* SEV without ES has no #VC */
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);

	host_init(2);
	host_set_cpuid(1, 0x000506e3, 0, 1u << 31, 0);
	host_set_cpuid(0x40000000, 0, 0x566e6558, 0x65584d4d, 0x4d4d566e);
	host.cpus[0].cs = 0xe033;
	expect_refusal(KAISER_E_XENPV);
	host.cpus[0].cs = KAISER_KERNEL_CS; /* HVM */
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	assert_int_equal(kaiser_init(&host.k, &host.cfg), KAISER_E_STATE);
	kaiser_flush_kernel(&host.k, host.cfg.window, host.cfg.window + KAISER_PAGE_SIZE);
	kaiser_flush_all(&host.k); /* nobody has entered: no CPU is looked for */
	host_free();
}

/* Fails the n-th call of a hook for n = 1, 2, ... until all goes well. */
static void init_runs_out(void **state)
{
	unsigned n;
	int err = KAISER_E_NOMEM;

	(void)state;
	for (n = 1; err; n++) {
		host_init(2);
		host.fail_alloc = n;
		err = kaiser_init(&host.k, &host.cfg);
		if (!err)
			break;
		assert_int_equal(err, KAISER_E_NOMEM);
		assert_int_equal(host.pages_live, 0);
		assert_int_equal(host.mappings_live, 0);
		assert_memory_equal(&host.k, &zero, sizeof(zero));
		host.fail_alloc = 0;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	}
	assert_int_equal(n, 7); /* IDT, two views, two of kernel text, the empty space */
	for (n = 1, err = KAISER_E_MAP; err; n++) {
		host_init(2);
		host.fail_map = n;
		err = kaiser_init(&host.k, &host.cfg);
		if (!err)
			break;
		assert_int_equal(err, KAISER_E_MAP);
		assert_int_equal(host.pages_live, 0);
		assert_int_equal(host.mappings_live, 0);
		assert_memory_equal(&host.k, &zero, sizeof(zero));
		host.fail_map = 0;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	}
	assert_int_equal(n, 5);
	host_free();
}

static void prepare_runs_out(void **state)
{
	(void)state;
	for (unsigned hook = 0; hook < 2; hook++) {
		for (unsigned n = 1;; n++) {
			unsigned pages, mappings;
			int err;
			host_init(2);
			assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
			pages = host.pages_live;
			mappings = host.mappings_live;
			host.allocs = host.maps = 0;
			*(hook ? &host.fail_map : &host.fail_alloc) = n;
			err = kaiser_cpu_prepare(&host.k, 1);
			if (!err) {
				assert_true(n > 10);
				break;
			}
			assert_int_equal(err, hook ? KAISER_E_MAP : KAISER_E_NOMEM);
			assert_int_equal(host.pages_live, pages);
			assert_int_equal(host.mappings_live, mappings);
			assert_ptr_equal(host.k.cpu[1], NULL);
			assert_ptr_equal(kaiser_cpu_host_area(&host.k, 1), NULL);
			host.fail_alloc = host.fail_map = 0;
			assert_int_equal(kaiser_cpu_prepare(&host.k, 1), 0);
		}
	}
	host_free();
}

static void prepare_and_enter(void **state)
{
	struct host_cpu *c = &host.cpus[1];
	uint64_t base = HOST_WINDOW + 2 * KAISER_CPU_STRIDE;
	struct kaiser_slot_info si;

	(void)state;
	host_init(2);
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	assert_int_equal(kaiser_cpu_prepare(&host.k, 2), KAISER_E_ARG);
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0), KAISER_E_STATE);
	assert_int_equal(kaiser_cpu_enter(&host.k, 99, 0), KAISER_E_STATE);
	assert_int_equal(kaiser_cpu_prepare(&host.k, 1), 0);
	assert_int_equal(kaiser_cpu_prepare(&host.k, 1), KAISER_E_STATE);
	host.kernel_top[300] = 0x1003;
	assert_int_equal(kaiser_cpu_prepare(&host.k, 0), KAISER_E_KERNEL_HALF);
	host.kernel_top[300] = 0;
	host.kernel_top[HOST_WINDOW >> 39 & 511] |= PTE_A;
	assert_int_equal(kaiser_cpu_prepare(&host.k, 0), 0);
	assert_int_equal((uint64_t)kaiser_cpu_host_area(&host.k, 1), base + KAISER_CPU_HOST);

	host.cpu = 1;
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x5550), 0);
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x5550), KAISER_E_STATE);
	assert_int_equal(host.k.cpu[1]->kstack_top, 0x5550 - KAISER_KSTACK_PAD);
	assert_int_equal(host.k.live, 2);
	assert_int_equal(c->gs, base + KAISER_CPU_ENTRY);
	assert_int_equal(c->gdt.base, base);
	assert_int_equal(c->gdt.limit, 127);
	assert_int_equal(c->idt.base, HOST_WINDOW);
	assert_int_equal(c->idt.limit, 4095);
	assert_int_equal(c->sysenter_cs, 0);
	assert_int_equal(c->star >> 48, KAISER_USER32_CS);
	assert_int_equal(c->star >> 32 & 0xffff, KAISER_KERNEL_CS);
	assert_true(c->lstar > HOST_WINDOW + KAISER_WIN_TEXT && c->lstar < HOST_WINDOW + 0x2000);
	assert_int_equal(c->fmask & 0x47700, 0x47700);
	assert_int_equal(c->cr3 & 0x1fff, 0);
	assert_int_equal(host.k.cpu[1]->exit_cr3, c->cr3 | KAISER_SWITCH_BIT);
	assert_true(kaiser_slot_info(&host.k, 1, 0, &si));
	assert_true(si.loaded && si.isolated && si.kernel_root == c->cr3);
	assert_false(kaiser_slot_info(&host.k, 1, KAISER_SLOTS_BARE, &si));
	assert_false(kaiser_slot_info(&host.k, 2, 0, &si));

	/* Out, and in again: its TSS is busy by then. */
	kaiser_cpu_leave(&host.k);
	assert_int_equal(host.live_at_cr3, 0); /* flushed once nobody told it any more */
	assert_int_equal(c->cr3, (uint64_t)host.kernel_top);
	assert_int_equal(host.k.live, 0);
	host.k.call.asked = host.k.call.waiting = 3; /* a call that it missed is not waited for */
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x5550), 0);
	assert_int_equal(host.k.live, 2);
	assert_int_equal(host.k.call.asked, 1);
	assert_int_equal(host.k.call.waiting, 1);
	host_free();
}

static uint8_t *view(bool user, uint32_t offset)
{
	struct kaiser *k = &host.k;

	if (offset < 4096)
		return (uint8_t *)(user ? k->text_user : k->text_kernel) + offset;
	return (uint8_t *)k->ktext[offset / 4096 - 1] + offset % 4096;
}

static unsigned view_of(uint32_t offset)
{
	unsigned v = BOTH;

	for (const struct mark *m = kaiser_marks_start; m < kaiser_marks_end; m++)
		if (m->offset <= offset)
			v = m->view;
	return v;
}

static bool patched(uint32_t offset)
{
	for (const struct patch *p = kaiser_patch_start; p < kaiser_patch_end; p++)
		if (offset >= p->offset && offset < p->offset + 4)
			return true;
	return false;
}

static bool alternative(uint32_t offset)
{
	for (const struct alternative *a = kaiser_alt_start; a < kaiser_alt_end; a++)
		if (offset >= a->offset && offset < a->offset + a->bytes)
			return true;
	return false;
}

/* Each byte of both views is the template's, int3, or accounted for. */
static void check_views(bool isolate, bool alternatives)
{
	unsigned seen[4] = {0};

	assert_true(kaiser_marks_end > kaiser_marks_start + 10);
	assert_int_equal(kaiser_marks_start[0].offset, 0);
	for (uint32_t i = 0; i < 4096; i++) {
		uint8_t t = (uint8_t)kaiser_template[i], u = *view(true, i), k = *view(false, i);
		unsigned v = view_of(i);
		seen[v]++;
		if (v == KERNEL || v == OPEN)
			assert_int_equal(u, 0xcc);
		if (v == USER || (v == OPEN && isolate))
			assert_int_equal(k, 0xcc);
		if (v == BOTH)
			assert_int_equal(u, k);
		if (patched(i) || (alternative(i) && !alternatives))
			continue;
		if (v == BOTH || v == USER)
			assert_int_equal(u, t);
		if (v == BOTH || v == KERNEL || (v == OPEN && !isolate))
			assert_int_equal(k, t);
	}
	for (uint32_t i = 4096; i < 3 * 4096; i++)
		if (!patched(i) && !(alternative(i) && !alternatives))
			assert_int_equal(*view(false, i), (uint8_t)kaiser_template[i]);
	assert_true(seen[BOTH] > 2000 && seen[USER] && seen[KERNEL] && seen[OPEN]);
}

static void views(void **state)
{
	unsigned patches = 0;

	(void)state;
	host_init(1);
	host_give_pcid(false);
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	check_views(true, true);
	for (const struct patch *p = kaiser_patch_start; p < kaiser_patch_end; p++, patches++) {
		int32_t rel;
		memcpy(&rel, view(false, (uint32_t)p->offset), 4);
		assert_int_equal(*view(false, (uint32_t)p->offset - 1), 0xe8);
		assert_int_equal(HOST_WINDOW + KAISER_WIN_TEXT + p->offset + 4 + (uint64_t)rel,
				 (uint64_t)p->target);
		/* No call into the kernel where user mode can see it. */
		assert_true(p->offset >= 4096 || view_of((uint32_t)p->offset) == KERNEL);
	}
	assert_true(patches >= 5);

	host_init(1);
	host_give_pcid(false);
	host.cfg.mode = KAISER_OFF;
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	check_views(false, true);

	host_init(1);
	host_set_cpuid(7, 0, 0, 0, 0); /* neither SMAP nor MD_CLEAR nor PCID */
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	check_views(true, false);
	for (const struct alternative *a = kaiser_alt_start; a < kaiser_alt_end; a++) {
		static const char first[] = "\x90\x66\x0f"; /* of a NOP, whatever its length */
		uint8_t b = *view(view_of(a->offset) == USER, a->offset);
		if (view_of(a->offset) == OPEN)
			continue;
		assert_ptr_not_equal(memchr(first, b, 3), NULL);
	}
	host_free();
}

/* ---- the library looks at itself ---- */

static char said[4096];

static void line(void *arg, const char *text)
{
	(void)arg;
	assert_true(strlen(said) + strlen(text) + 2 < sizeof(said));
	strcat(strcat(said, text), "\n");
}

static int verify(void)
{
	said[0] = 0;
	return kaiser_verify(&host.k, line, NULL);
}

static void expect_found(const char *check)
{
	char want[64];

	snprintf(want, sizeof(want), "cpu 1: ERROR: %s: ", check);
	if (verify() <= 0 || !strstr(said, want))
		fail_msg("no %s in: %s", check, said);
	if (strstr(said, "cpu 0: ERROR"))
		fail_msg("CPU 0 is whole: %s", said);
}

static uint64_t *window_entry(unsigned cpu, uint64_t va)
{
	uint64_t *t = host_pair(cpu) + 512;

	for (unsigned level = 3; level > 0; level--)
		t = (uint64_t *)(t[va >> (12 + 9 * level) & 511] & PTE_ADDR);
	return &t[va >> 12 & 511];
}

static void with_mistake(uint64_t *entry, uint64_t value, const char *check)
{
	uint64_t was = *entry;

	*entry = value;
	expect_found(check);
	*entry = was;
	assert_int_equal(verify(), 0);
}

static void with_pointer(uint64_t value)
{
	char *p = (char *)host.k.cpu[1]->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE] + 0xb11;

	memcpy(p, &value, 8);
	expect_found("pointers");
	memset(p, 0, 8);
	assert_int_equal(verify(), 0);
}

static void self_check(void **state)
{
	struct kaiser_space s;
	uint64_t *top, *e, base = HOST_WINDOW + 2 * KAISER_CPU_STRIDE;
	unsigned cpus[] = {1, 2, 4, 8};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		host_bring_up(cpus[i], KAISER_ON);
		assert_int_equal(verify(), 0);
		for (unsigned c = 0; c < cpus[i]; c++) {
			char want[120];
			snprintf(want, sizeof(want),
				 "cpu %u: 4 supervisor pages (16 KiB) under the user root, 1 "
				 "writable, 0 writable and executable\n",
				 c);
			assert_ptr_not_equal(strstr(said, want), NULL);
		}
		assert_ptr_equal(strstr(said, "WARN"), NULL);
		assert_ptr_equal(strstr(said, "ERROR"), NULL);
	}
	host_bring_up(2, KAISER_ON);
	top = host_page(0);
	assert_int_equal(kaiser_space_init(&host.k, &s, top), 0);
	assert_int_equal(kaiser_space_set_top(&s, 3, (uint64_t)host_page(0) | 7), 0);
	host.cpu = 1;
	kaiser_space_switch(&host.k, &s);
	host.cpu = 0;
	assert_int_equal(verify(), 0);
	e = window_entry(1, base + KAISER_CPU_ENTRY);
	with_mistake(e, *e | PTE_G, "global");
	with_mistake(e, *e | PTE_U, "user_bit");
	with_mistake(e, *e & ~PTE_NX, "wx");
	with_mistake(e, 0, "allowlist");
	with_mistake(e, 0, "sufficient");
	with_mistake(e, *window_entry(0, base - KAISER_CPU_STRIDE + KAISER_CPU_ENTRY), "foreign");
	with_mistake(window_entry(1, base + KAISER_CPU_PRIVATE),
		     (uint64_t)host.k.cpu[1] | PTE_P | PTE_NX, "allowlist");
	with_mistake(window_entry(1, HOST_WINDOW + KAISER_WIN_TEXT),
		     (uint64_t)host.k.text_kernel | PTE_P, "same_va_same_pa");
	with_mistake(&host_pair(1)[3], host_pair(1)[3] & ~PTE_NX, "nx_poison");
	with_mistake(&host_pair(1)[7], (uint64_t)top | 7, "sync");
	with_mistake(&host_pair(1)[512 + 3], 0, "sync");
	with_mistake(&host_pair(1)[512 + 400], host.cpus[1].cr3 | 3, "self_map");
	with_pointer(host.cpus[1].cr3);
	with_pointer(host.cpus[0].cr3 | KAISER_SWITCH_BIT);
	with_pointer((uint64_t)host.kernel_top);
	assert_int_equal(host.cfg.ops->map(&host, HOST_WINDOW - 0x1000, (uint64_t)top, 0), 0);
	with_pointer(HOST_WINDOW - 0x123);
	with_mistake(&host.k.cpu[1]->exit_cr3, host.cpus[1].cr3, "isolated");
	with_mistake(&host.k.cpu[1]->exit_cr3, (uint64_t)host.kernel_top, "isolated");

	kaiser_load_foreign(&host.k, 0);
	assert_int_equal(verify(), 0);
	assert_ptr_not_equal(strstr(said, "cpu 0: runs on a table of the host's own"), NULL);

	host_bring_up(2, KAISER_OFF);
	assert_int_equal(verify(), 0);
	assert_ptr_not_equal(strstr(said, "isolation is off"), NULL);
	assert_int_equal(kaiser_verify(NULL, line, NULL), KAISER_E_ARG);
	host_free();
}

/* Before there is any space the whole entry page of the calling CPU is searched; later not what a
 * thread puts there, since it could ask by it which addresses the kernel maps. */
static void user_values_are_not_judged(void **state)
{
	struct kaiser_space s;
	char *entry[2];
	uint64_t v = HOST_WINDOW - 0x123;

	(void)state;
	host_bring_up(2, KAISER_ON);
	assert_int_equal(host.cfg.ops->map(&host, HOST_WINDOW - 0x1000, (uint64_t)host_page(0), 0),
			 0);
	for (unsigned i = 0; i < 2; i++)
		entry[i] = host.k.cpu[i]->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE];
	for (unsigned at = 0; at + 8 <= 4096; at += 0x33) {
		memcpy(entry[0] + at, &v, 8);
		if (verify() != 1 || !strstr(said, "cpu 0: ERROR: pointers: "))
			fail_msg("at %#x: %s", at, said);
		assert_true(host_this()->irq_on);
		memset(entry[0] + at, 0, 8);
	}
	memcpy(entry[1] + KAISER_SCRATCH_DI, &v, 8); /* an event may be half way there */
	assert_int_equal(verify(), 0);
	assert_int_equal(kaiser_space_init(&host.k, &s, host_page(0)), 0);
	memcpy(entry[0] + KAISER_SCRATCH_DI, &v, 8);
	memcpy(entry[0] + KAISER_IST_DF_TOP - 8, &host.cpus[0].cr3, 8);
	assert_int_equal(verify(), 0);
	memcpy(entry[0] + KAISER_IST_DF_TOP, &v, 8);
	assert_int_equal(verify(), 1);
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(missing_hooks),
		cmocka_unit_test(refused_machines),
		cmocka_unit_test(init_runs_out),
		cmocka_unit_test(prepare_runs_out),
		cmocka_unit_test(prepare_and_enter),
		cmocka_unit_test(views),
		cmocka_unit_test(self_check),
		cmocka_unit_test(user_values_are_not_judged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
