/* SPDX-License-Identifier: MIT */
/* What the library's files share, and the private page. */
#ifndef KAISER_INTERNAL_H
#define KAISER_INTERNAL_H

#include <kaiser/kaiser.h>

#include "hw.h"
#include "pte.h"

/* With PCID, a slot is an ASID: its kernel root runs under PCID slot + 1, its user root under that
 * with bit 11. Without, every CR3 write flushes, so two slots are enough: one loaded, one to fill.
 */
#define KAISER_SLOTS_MAX  6
#define KAISER_SLOTS_BARE 2

#define KAISER_NOFLUSH (UINT64_C(1) << KAISER_NOFLUSH_SHIFT)

/* A root pair and the space it holds. Only a slot that is not loaded is refilled; in a loaded one
 * entries are added, or cleared together with the flush that must follow. */
struct kaiser_slot {
	uint64_t space_id;          /* 0: holds nothing, whatever its entries are */
	struct kaiser_space *space; /* alive while space_id is its id: spaces are evicted first */
	uint64_t gen;               /* of the copied entries */
	uint64_t tlb_gen;           /* up to which both PCIDs have been flushed */
	uint64_t loaded_at;         /* to find the one that was loaded longest ago */
	uint64_t seq;               /* odd while they change: verify_self.c */
	uint64_t used[4];           /* user-half entries that are set in the roots */
	uint64_t ldt;               /* of the space, as the roots have it */
	uint64_t *root;             /* 1024 entries: the kernel root, then the user root */
	kaiser_pa_t pa;             /* of the kernel root; the user root is the next page */
	bool isolated;              /* the entries are poisoned, and exits load the user root */
	bool stale;                 /* the kernel PCID must be flushed when it is loaded */
	bool user_stale;            /* the user PCID, by the first exit. While the slot is loaded
				     * and isolated, bit 63 of exit_cr3 stands for it. */
};

#define KAISER_STRIDE_PAGES  (KAISER_CPU_STRIDE / KAISER_PAGE_SIZE)
#define KAISER_WINDOW_TABLES 10
#define KAISER_EXTRAS        8
#define KAISER_LEVELS_MAX    5

/* A range of kaiser_extra_add(). */
struct kaiser_extra {
	unsigned first, pages, prot; /* pages 0: none */
};

/* The private page. Assembly knows the first fields: layout.h. */
struct kaiser_cpu {
	uint64_t kstack_top;
	uint64_t exit_cr3;
	uint32_t wipe;
	uint32_t nmi_state;
	uint64_t host_word;
	struct kaiser_cpu *self;
	uint64_t trace_pos;
	uint64_t user_end;
	uint64_t entry_top;
	uint64_t iret_top;
	uint64_t exit_va;
	unsigned number;

	unsigned loaded; /* index of the loaded slot */
	struct kaiser *k;
	unsigned slots;
	uint64_t loads;
	bool entered;
	bool foreign;            /* CR3 holds a table that is not ours */
	uint32_t wipe_at_switch; /* IST stacks that hold user values of the running space */
	struct kaiser_slot slot[KAISER_SLOTS_MAX];
	struct kaiser_stats stats;
	void *page[KAISER_STRIDE_PAGES];       /* writable aliases, by place in the stride */
	uint64_t *table[KAISER_WINDOW_TABLES]; /* of the user root's window; [0] on top */
	unsigned tables;
	uint64_t *stack16_table[KAISER_LEVELS_MAX - 1]; /* ldt.c; [0] has the leaf */
	uint64_t stack16_va;                            /* what it maps; 0: nothing */
	uint32_t iomap_slots; /* those whose user PCIDs may have seen the I/O bitmap; 0: not mapped
			       */
	uint64_t iomap_id;    /* of what is in it */
	struct kaiser_extra extra[KAISER_EXTRAS];
	/* A kernel thread runs: flushes that free no table pass this CPU by. Read by others, so it
	 * has a line of its own. atomic */
	_Alignas(64) bool lazy;
};

static inline uint64_t cpu_base(const struct kaiser *k, unsigned cpu)
{
	return k->cfg.window + (uint64_t)(cpu + 1) * KAISER_CPU_STRIDE;
}

static inline uint64_t cpu_bit(const struct kaiser_cpu *c)
{
	return UINT64_C(1) << c->number;
}

/* A CR3 write without NOFLUSH: what was cached of that root's PCID goes. irqoff. */
static inline void load_flushed(struct kaiser_cpu *c, uint64_t cr3)
{
	hw_write_cr3(cr3);
	c->stats.cr3_writes++;
	c->stats.cr3_flushes++;
}

/* That of the CPU this runs on; 0 before the first has entered, when GS is not ours yet. irqoff. */
static inline uint64_t self_bit(const struct kaiser *k)
{
	return __atomic_load_n(&k->live, __ATOMIC_SEQ_CST) ? cpu_bit(hw_this_cpu()) : 0;
}

/* views.c */
int kaiser_views_build(struct kaiser *k);
/* Fills the tails of spaces that are not isolated in, or out with int3. Nobody may be there. */
void kaiser_views_set_open(struct kaiser *k, bool open);
extern char kaiser_template[], kaiser_template_end[];
/* The window address of a label of the template. */
static inline uint64_t window_va(const struct kaiser *k, const char *label)
{
	return k->cfg.window + KAISER_WIN_TEXT + (uint64_t)(label - kaiser_template);
}

/* Does ip lie in [start, end) of the template, as the window has it? */
static inline bool window_inside(const struct kaiser *k, uint64_t ip, const char *start,
				 const char *end)
{
	return ip >= window_va(k, start) && ip < window_va(k, end);
}

/* descriptors.c */
void kaiser_idt_build(struct kaiser *k);
void kaiser_descriptors_build(struct kaiser *k, unsigned cpu, void *page);

/* window_tables.c: the tables through which cpu's user roots see its window. */
int kaiser_window_tables_build(struct kaiser *k, struct kaiser_cpu *c);
void kaiser_window_tables_free(struct kaiser *k, struct kaiser_cpu *c);

/* One page more in the user root; its tables are made if need be. */
int kaiser_window_map(struct kaiser *k, struct kaiser_cpu *c, uint64_t va, void *page,
		      uint64_t bits);
/* The user root's entry for an address whose neighbours are mapped. */
uint64_t *kaiser_window_leaf(const struct kaiser *k, const struct kaiser_cpu *c, uint64_t va);

/* bringup.c: pages of a stride, allocated and mapped in the kernel half, and given back. */
int kaiser_run_alloc(struct kaiser *k, unsigned cpu, uint32_t offset, unsigned pages, unsigned prot,
		     void *page[KAISER_STRIDE_PAGES]);
void kaiser_run_free(struct kaiser *k, unsigned cpu, uint32_t offset, unsigned pages,
		     void *page[KAISER_STRIDE_PAGES]);

/* calls.c: those CPUs, not live, will not run the call that may be under way. */
void kaiser_call_pass_by(struct kaiser *k, uint64_t cpus);

/* kmap.c: one page in the kernel half. KAISER_E_NOMEM, _MAP. */
int kaiser_kmap(struct kaiser *k, uint64_t va, const void *page, unsigned prot);
void kaiser_kunmap(struct kaiser *k, uint64_t va);

/* iomap.c */
int kaiser_iomap_cpu_alloc(struct kaiser *k, struct kaiser_cpu *c);
void kaiser_iomap_clear(struct kaiser_cpu *c);

/* extra.c */
uint64_t kaiser_extra_va(const struct kaiser_cpu *c, const struct kaiser_extra *x);

/* slots.c */
int kaiser_slots_alloc(struct kaiser *k, struct kaiser_cpu *c);
void kaiser_slots_free(struct kaiser *k, struct kaiser_cpu *c);
void kaiser_slot_write_entry(struct kaiser_cpu *c, struct kaiser_slot *s, unsigned index,
			     uint64_t entry);
/* Around changes: kaiser_verify() looks at a slot only in between. */
void kaiser_slot_change_begins(struct kaiser_slot *s);
void kaiser_slot_change_ends(struct kaiser_slot *s);
/* Isolated or not, as its space wants now: the entries. The caller flushes both PCIDs. */
void kaiser_slot_turn(struct kaiser_cpu *c, struct kaiser_slot *s);
void kaiser_slot_forget(struct kaiser_cpu *c, struct kaiser_slot *s);
void kaiser_load_slot(struct kaiser_cpu *c, unsigned index);
/* The slot's user PCID is to be flushed before it is used again. */
void kaiser_slot_user_stale(struct kaiser_cpu *c, struct kaiser_slot *s);
bool kaiser_slot_is_user_stale(const struct kaiser_cpu *c, const struct kaiser_slot *s);
/* Both PCIDs of the loaded slot; it is then as new as its space. */
void kaiser_flush_loaded(struct kaiser_cpu *c);

/* mode.c */
bool kaiser_wants_isolation(const struct kaiser *k, const struct kaiser_space *s);
void kaiser_mode_here(void *k);

/* pcid.c */
bool kaiser_cpu_has_pge(void);
void kaiser_pcid_decide(struct kaiser_policy *p, bool refused);
int kaiser_pcid_enter(const struct kaiser *k);
void kaiser_pcid_leave(const struct kaiser *k);

/* Writes one entry of each root as one change: verify_self.c. */
void kaiser_slot_write_pair(struct kaiser_slot *s, unsigned index, uint64_t kernel, uint64_t user);

/* ldt.c. What is passed about is space.ldt. */
uint64_t kaiser_slot_va(const struct kaiser *k, unsigned top);
uint64_t kaiser_ldt_va(const struct kaiser *k);
unsigned kaiser_ldt_pages(uint64_t ldt);
bool kaiser_ldt_config_ok(const struct kaiser *k);
int kaiser_ldt_cpu_alloc(struct kaiser *k, struct kaiser_cpu *c);
void kaiser_ldt_cpu_free(struct kaiser *k, struct kaiser_cpu *c);
/* The slot's roots get the space's LDT, or lose the one they had; returns which. */
uint64_t kaiser_ldt_write_slot(struct kaiser_cpu *c, struct kaiser_slot *s,
			       const struct kaiser_space *sp);
void kaiser_ldt_load(struct kaiser_cpu *c, uint64_t ldt);
void kaiser_ldt_exit(struct kaiser_cpu *c, const struct pt_regs *regs);
void kaiser_ldt_evicted(struct kaiser_space *s);

/* allowed.c: what user roots of c may map while a space with that LDT is loaded. */
#define KAISER_ALLOWED_MAX (7 + KAISER_EXTRAS)
struct kaiser_allowed;
size_t kaiser_allowed_list(const struct kaiser *k, const struct kaiser_cpu *c, uint64_t ldt,
			   struct kaiser_allowed *list);

/* What an IST event's kernel-only stack begins with: entry/paranoid.inc. */
struct save_area {
	struct pt_regs regs;
	uint64_t cr3, gs, cr2, unused;
};

/* mend.c: what the exit of an #MC or #DB that hit CPL 0 is to do, KAISER_IST_*. dropped: the #MC
 * has dropped an NMI. Called again for the same save area it says and leaves the same. */
int kaiser_mend_nmi(struct kaiser_cpu *c, struct save_area *sa, bool dropped);

/* policy.c */
int kaiser_policy_refuse(void);
void kaiser_policy_decide(struct kaiser_policy *p, enum kaiser_mode asked);
bool kaiser_cpu_vendor_is(const char name[12]);

/* tls.c */
void kaiser_tls_clear(struct kaiser_cpu *c);

/* wipe.c */
void kaiser_wipe_set(struct kaiser_cpu *c, uint32_t bits);
void kaiser_wipe_for_switch(struct kaiser_cpu *c);

/* Called by the gates: user.inc, paranoid.inc, nmi.inc. */
void kaiser_from_user(struct pt_regs *regs, unsigned vector);
void kaiser_from_syscall(struct pt_regs *regs);
void kaiser_from_ia32(struct pt_regs *regs, unsigned how);
int kaiser_ist_event(struct pt_regs *regs, unsigned how);
void kaiser_nmi_event(struct pt_regs *regs);
void kaiser_exit_work(const struct pt_regs *regs);
void kaiser_missed_switch_event(void);
void kaiser_unexpected_event(unsigned vector, uint64_t ip);

/* `digits` hexadecimal digits at p, no end; returns the place behind them. */
static inline char *kaiser_put_hex(char *p, uint64_t v, unsigned digits)
{
	while (digits-- > 0)
		*p++ = "0123456789abcdef"[v >> (4 * digits) & 15];
	return p;
}

/* trace.c: nothing in a build without KAISER_DEBUG. */
#define KAISER_TRACE_SYSCALL 0x100
#define KAISER_TRACE_IA32    0x200 /* and how it came, but for INT 0x80 */
#ifdef KAISER_DEBUG
void kaiser_trace_event(const struct pt_regs *regs, unsigned what, uint64_t cr3_before,
			uint64_t gs_before);
#else
static inline void kaiser_trace_event(const struct pt_regs *regs, unsigned what,
				      uint64_t cr3_before, uint64_t gs_before)
{
	(void)regs;
	(void)what;
	(void)cr3_before;
	(void)gs_before;
}
#endif

#endif
