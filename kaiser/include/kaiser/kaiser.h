/* SPDX-License-Identifier: MIT */
/*
 * libkaiser: page-table isolation for any x86-64 kernel.
 *
 * The host gives memory, one IPI hook and a handler for each kind of event; the library owns the
 * roots that CR3 holds, the window that user mode can see, the gates in it and the flushes. Cold
 * work goes through struct kaiser_ops; the handlers at the end of this file bind at link time, so
 * that no gate holds an indirect branch. Nothing is allocated but through the hook, and no state
 * lives outside the struct kaiser that kaiser_init() was given. Compilers may add calls of
 * memcpy(), memmove(), memset() and memcmp(), as in any freestanding program: the host has them.
 *
 * Contexts, as named below:
 *	boot	one CPU, before any user space runs, memory may be allocated
 *	task	a thread's kernel stack, interrupts on, may wait for other CPUs
 *	irqoff	interrupts off, on the CPU it speaks of, never waits
 *	any	everything but NMI, #MC, #DB and #DF handlers
 *	nmi	everything
 */
#ifndef KAISER_KAISER_H
#define KAISER_KAISER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kaiser/layout.h>
#include <kaiser/options.h>
#include <kaiser/regs.h>
#include <kaiser/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A physical address: a type of its own in name, so that none is dereferenced by accident. */
typedef uint64_t kaiser_pa_t;

/* Errors are negative, grouped by who can mend it. kaiser_strerror() gives the sentence. */
enum kaiser_error {
	KAISER_OK = 0,
	/* The host's call was wrong. */
	KAISER_E_ARG = -1,         /* a parameter is out of range, misaligned or NULL */
	KAISER_E_STATE = -2,       /* called in the wrong order, or twice */
	KAISER_E_FOREIGN = -3,     /* a foreign table that an NMI would misread: on an odd page */
	KAISER_E_KERNEL_HALF = -4, /* a top-level entry of the kernel half changed after init */
	/* The host could not give what was asked for. */
	KAISER_E_NOMEM = -10, /* the page_alloc hook gave nothing */
	KAISER_E_MAP = -11, /* the map hook failed; without one, something is in the window's way */
	/* This machine cannot be isolated; kaiser_strerror() names the feature. */
	KAISER_E_FRED = -20,  /* FRED is on: events come another way */
	KAISER_E_GUEST = -21, /* SEV-ES or TDX guest: #VC or #VE may hit any instruction */
	KAISER_E_SSS = -22,   /* supervisor shadow stacks are on */
	KAISER_E_XENPV = -23, /* under Xen PV page tables are not the kernel's own */
	KAISER_E_PCID = -24,  /* this CPU lacks PCID, PGE or INVPCID, which the first one has */
};
/* What is wrong, as one static sentence. nmi. */
const char *kaiser_strerror(int error);

/* ---- what the host provides ------------------------------------------------------------- */

enum kaiser_prot { KAISER_PROT_R = 0, KAISER_PROT_W = 1, KAISER_PROT_X = 2 };

/* Every hook gets the host's ctx first. None may be NULL but where it says so. */
struct kaiser_ops {
	/* 2^order pages, contiguous, naturally aligned, cleared; the address by which the host can
	 * write them, or NULL. boot and task. The library owns them until page_free. */
	void *(*page_alloc)(void *ctx, unsigned order);
	void (*page_free)(void *ctx, void *va, unsigned order);
	/* Between such addresses and physical ones; phys_to_virt for any page-table page. nmi. */
	kaiser_pa_t (*virt_to_phys)(void *ctx, const void *va);
	void *(*phys_to_virt)(void *ctx, kaiser_pa_t pa);
	/* Maps one 4K page in the host's kernel half, supervisor, not GLOBAL, NX unless X; or takes
	 * it out again and flushes it everywhere. 0, or anything else for failure. boot, task.
	 * Both NULL: the library writes the window into the tables below kernel_root itself. Those
	 * that are missing come from page_alloc and stay; those on the way must grant writing and
	 * execution. */
	int (*map)(void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot);
	void (*unmap)(void *ctx, uint64_t va);
	/* Runs fn(arg) on each CPU of mask (a bit a CPU) with interrupts off, and returns when all
	 * have. The calling CPU is in it only where a thread can be moved to another CPU while it
	 * runs in the kernel: then it runs fn as well. task. NULL: by the next hook. */
	void (*call_cpus)(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg);
	/* Instead of call_cpus, for a host that has no such thing: sends the CPUs of mask an
	 * interrupt, whose handler calls kaiser_serve_call(). It may reach others too, and comes
	 * after all stores, by x2APIC as well. A CPU must be able to get it, at once or when its
	 * interrupts are on, before kaiser_cpu_enter(). irqoff. May be NULL if call_cpus is not,
	 * and both if config.cpus is 1. */
	void (*interrupt_cpus)(void *ctx, uint64_t mask);
	/* Ends the kernel; must not return. nmi. */
	void (*panic)(void *ctx, const char *message);
};

enum kaiser_mode { KAISER_AUTO, KAISER_ON, KAISER_OFF };

/* What kaiser_init() is told. */
struct kaiser_config {
	const struct kaiser_ops *ops; /* kept, not copied */
	void *ctx;
	/* Where the window goes: 2 MiB aligned, chosen at random by the host, independently of
	 * where the kernel lies, but within 2 GiB of its text (gates jump there directly). Nothing
	 * may be mapped in [window, window + kaiser_window_bytes_for(cpus, extra_pages)). */
	uint64_t window;
	unsigned cpus;           /* how many CPUs will ever be prepared, 1 to KAISER_MAX_CPUS */
	unsigned extra_pages;    /* room for kaiser_extra_add(), of each CPU; 0 to 256 */
	unsigned host_pages;     /* of host data behind the private pages, 1 to 12 */
	kaiser_pa_t kernel_root; /* the host's top-level table: its kernel half is copied to every
				  * kernel root, so its top-level entries must be final */
	/* The first of two neighbouring top-level entries of the kernel half, 256 to 510, in which
	 * kernel_root has nothing: room for LDTs, at an address of no secret. 0: no LDTs. */
	unsigned ldt_top;
	uint64_t user_end;     /* one past the last user address; SYSRET only a page below it */
	enum kaiser_mode mode; /* from kaiser_policy_parse() */
	bool ia32;             /* 32-bit programs: opens INT 0x80, SYSENTER and SYSCALL from
				* compatibility mode; the host defines kaiser_on_ia32(). Else they
				* are #GP, #GP and ENOSYS. */
	bool no_pcid;          /* from kaiser_policy_parse_nopcid() */
};

/* ---- bringing it up --------------------------------------------------------------------- */

struct kaiser_cpu;
struct kaiser_space;

enum { KAISER_VECTORS = 256 };

/* What was decided, and why. */
struct kaiser_policy {
	enum kaiser_mode asked;
	bool isolate;            /* the decision; atomic */
	const char *reason;      /* one clause, static */
	bool meltdown;           /* the CPU needs isolation */
	bool verw;               /* MD_CLEAR: VERW on every exit */
	bool pcid;               /* PCIDs are used */
	bool invpcid;            /* and INVPCID */
	const char *pcid_reason; /* one clause, static */
};

/* One address space: the host's own top-level table, which is never loaded into CR3 itself.
 * Embedded in the host's structure; fields private but for top. */
struct kaiser_space {
	struct kaiser *k;
	uint64_t *top;    /* the host's table, by a writable address */
	uint64_t id;      /* 64 bits, never reused */
	uint64_t gen;     /* of the user half's top level; atomic */
	uint64_t tlb_gen; /* of everything below it; atomic */
	uint64_t cpus;    /* CPUs that hold it in a slot; atomic */
	uint64_t active;  /* CPUs that have that slot loaded, lazily or not; atomic */
	uint64_t used[4]; /* which user-half entries are present */
	uint64_t ldt;     /* ldt.c; 0: none. atomic */
	bool opted_out;   /* runs without isolation whatever the mode; atomic */
};

/* The whole state of the library. Allocated by the host, zeroed; private but for `policy`. */
struct kaiser {
	struct kaiser_config cfg;
	struct kaiser_policy policy;
	void *idt;                     /* writable alias of the IDT page */
	void *text_user, *text_kernel; /* the two views; then the kernel text pages */
	void *ktext[KAISER_KTEXT_PAGES];
	struct kaiser_cpu *cpu[KAISER_MAX_CPUS];
	uint64_t live;             /* CPUs whose gates are live. atomic */
	uint64_t next_space_id;    /* never reused. atomic */
	uint64_t kernel_half[256]; /* the top-level entries as they were at init */
	struct kaiser_space empty; /* what runs when the host names no space */
	unsigned levels;           /* of paging: 4 or 5 */
	bool nx;                   /* EFER.NXE is on */
	bool iomaps;               /* kaiser_iomap_enable() was called. atomic */
	bool pge;                  /* CR4.PGE exists */
	bool tails_open;           /* exits without a CR3 write exist in the kernel view */
	unsigned opted_out;        /* spaces that are */
	struct {
		bool busy; /* atomic */
		void (*fn)(void *arg);
		void *arg;
		uint64_t asked;   /* CPUs that have not begun it. atomic */
		uint64_t waiting; /* that have not ended it. atomic */
	} call;                   /* of kaiser_call_cpus() by interrupts */
};

/* Reads "pti=auto|on|off" and "nopti" from a Linux command line, up to a "--"; the last one counts.
 * any. */
enum kaiser_mode kaiser_policy_parse(const char *cmdline);

/* Whether "nopcid" is there. any. */
bool kaiser_policy_parse_nopcid(const char *cmdline);

/* Bytes of address space the window takes for that many CPUs, a multiple of 2 MiB. any. */
uint64_t kaiser_window_bytes(unsigned cpus);
/* As kaiser_window_bytes(), with room for extra mappings: config.extra_pages. any. */
uint64_t kaiser_window_bytes_for(unsigned cpus, unsigned extra_pages);

/* Checks the machine, decides the policy, builds the two views and the IDT and maps them into the
 * kernel half. *k is zeroed before. boot. KAISER_E_ARG, _STATE, _FOREIGN (kernel_root lies on an
 * odd page), _NOMEM, _MAP, or why the machine is refused: _FRED, _GUEST, _SSS, _XENPV; after a
 * failure everything is given back, but for tables that a NULL map hook let it make, and k is
 * zeroed again. */
int kaiser_init(struct kaiser *k, const struct kaiser_config *cfg);

/* Allocates and maps everything CPU `cpu` needs, its user window tables and root slots included,
 * so that kaiser_cpu_enter() cannot fail for want of memory. boot, task; on any CPU that has
 * entered, or before any has. KAISER_E_ARG, _STATE (twice), _KERNEL_HALF, _NOMEM, _MAP; after a
 * failure nothing is left behind but, with a NULL map hook, tables. */
int kaiser_cpu_prepare(struct kaiser *k, unsigned cpu);

/* The host's data of that CPU, as mapped behind the entry page: also at %gs:KAISER_GS_HOST there.
 * NULL if not prepared. any. */
void *kaiser_cpu_host_area(struct kaiser *k, unsigned cpu);

/* The host's data of the CPU it runs on, which has entered. irqoff; any where no thread changes
 * CPUs. */
static inline void *kaiser_host_area(void)
{
	uint64_t private_page;

	__asm__ volatile("movq %%gs:%c1, %0"
			 : "=r"(private_page)
			 : "i"(KAISER_GS_PRIVATE + KAISER_PRIV_SELF));
	return (void *)(private_page + KAISER_GS_HOST - KAISER_GS_PRIVATE);
}

/* The number under which this CPU has entered. irqoff; any where no thread changes CPUs. */
static inline unsigned kaiser_this_cpu(void)
{
	unsigned number;

	__asm__ volatile("movl %%gs:%c1, %0"
			 : "=r"(number)
			 : "i"(KAISER_GS_PRIVATE + KAISER_PRIV_NUMBER));
	return number;
}

/* Brings the CPU it runs on into service: loads its GDT, TSS, GS base, the SYSCALL MSRs, a kernel
 * root of ours and the IDT, in an order that leaves no moment without a valid gate. From here on
 * the gates are live and CR3 is the library's. kstack_top: the running thread's. If PCIDs are used,
 * CR4.PCIDE is set here, and CR3 needs NOFLUSH and PCID bits that only the library knows. From here
 * on, before it returns, call_cpus or interrupt_cpus may be asked to reach this CPU. irqoff.
 * KAISER_E_STATE, _PCID. */
int kaiser_cpu_enter(struct kaiser *k, unsigned cpu, uint64_t kstack_top);

/* Takes this CPU out of service, for offline, kexec, suspend and crash: evicts all spaces of this
 * CPU, loads the host's kernel_root, clears CR4.PCIDE if PCIDs were used, and takes the CPU out of
 * every mask. The IDT stays. irqoff. */
void kaiser_cpu_leave(struct kaiser *k);

/* Loads a table that is not ours (EFI, AP bring-up, kexec): physical address of a top-level table,
 * or 0 for kernel_root. While it is loaded no user mode may run; switch to a space to come back.
 * With PCIDs, CR4.PCIDE stays set and the table runs under PCID 0, flushed: code that knows nothing
 * of PCIDs may save, load and restore CR3. KAISER_E_ARG if it is not page aligned; KAISER_E_FOREIGN
 * if it lies on an odd page: an NMI would take it for a user root. irqoff. */
int kaiser_load_foreign(struct kaiser *k, kaiser_pa_t root);

/* ---- spaces ----------------------------------------------------------------------------- */

/* Makes *s, whatever it holds, the space of a top-level table of the host's. top: 4 KiB aligned,
 * its user half empty, owned by the host. any. KAISER_E_ARG. */
int kaiser_space_init(struct kaiser *k, struct kaiser_space *s, uint64_t *top);

/* Writes one top-level entry of the user half, in the host's table and in the roots of every CPU
 * that runs the space, before it returns. An entry that goes away or changes is also flushed. The
 * host serialises calls for one space. task. KAISER_E_ARG if index >= 256. */
int kaiser_space_set_top(struct kaiser_space *s, unsigned index, uint64_t entry);

/* Makes this CPU run s: its kernel root is loaded now, its user root by the next exit. What user
 * mode could read of the former space's registers is wiped. NULL: the empty space. irqoff. */
void kaiser_space_switch(struct kaiser *k, struct kaiser_space *s);

/* A kernel thread runs on this CPU from here on, and touches no user memory: the loaded space stays
 * loaded, and flushes of it that free no table pass this CPU by until kaiser_space_switch(), which
 * then catches up. irqoff. */
void kaiser_space_lazy(struct kaiser *k);

/* Takes s out of every slot of every CPU; one that has it loaded gets the empty space. Call it
 * before the space's tables are freed and before the struct goes. Nobody may switch to it
 * meanwhile. If it opted out, it is isolated again first: see kaiser_space_isolate(). task. */
void kaiser_space_evict(struct kaiser_space *s);

/* Gives s an LDT of these descriptors, in place of the one it has; count 0 takes it away. Done on
 * every CPU that runs s before it returns; hidden parts of segment registers are the host's to load
 * anew. Each descriptor is 0 or a code or data segment of ring 3, present or not, never of 64 bits
 * (SDM volume 3, 3.4.5); it is marked accessed. They are copied. The LDT goes with
 * kaiser_space_evict(). The host serialises calls for one space. task. KAISER_E_ARG, _STATE
 * (config.ldt_top is 0), _NOMEM; after a failure s has what it had. */
int kaiser_space_set_ldt(struct kaiser_space *s, const uint64_t *descriptors, unsigned count);

/* Copies up to count descriptors from the first on; returns how many the LDT has, zeros at its end
 * included. The host keeps kaiser_space_set_ldt() of s out meanwhile. any. */
unsigned kaiser_space_get_ldt(const struct kaiser_space *s, uint64_t *descriptors, unsigned count);

/* ---- what user roots map besides ---------------------------------------------------------- */

/* Shows user mode memory that hardware needs, such as a debug store: `pages` pages from va on,
 * which the host owns (each by ops->virt_to_phys), become visible under the kernel roots of all
 * CPUs and the user roots of this one, supervisor, never executable, at *at in the window. prot:
 * KAISER_PROT_R or _W. User mode may read them by a side channel: no address and no secret may be
 * in them. The host serialises calls. task; boot. KAISER_E_ARG, _NOMEM, _MAP; _STATE: no room
 * (config.extra_pages, and eight ranges a CPU). */
int kaiser_extra_add(struct kaiser *k, unsigned cpu, void *va, unsigned pages, unsigned prot,
		     uint64_t *at);
/* Takes a range of kaiser_extra_add() out again, flushed everywhere when it returns. task.
 * KAISER_E_ARG. */
int kaiser_extra_remove(struct kaiser *k, unsigned cpu, uint64_t at);

/* ---- I/O ports ---------------------------------------------------------------------------- */

#define KAISER_IOMAP_BYTES 8192 /* a bit a port; set: not allowed */

/* Gives each CPU, prepared or to be, the three pages that kaiser_iomap_load() needs. The host
 * serialises it with kaiser_cpu_prepare(). task. KAISER_E_NOMEM, _MAP; it may be tried again. */
int kaiser_iomap_enable(struct kaiser *k);
/* Sets the ports that user mode may use on this CPU from its next exit on; NULL: none. They are
 * copied, unless this CPU has had them last: id, never 0, stands for what they are.
 * kaiser_space_switch() to another space takes them away, so set them after it, at each switch of
 * threads. irqoff. */
void kaiser_iomap_load(struct kaiser *k, const uint64_t denied[KAISER_IOMAP_BYTES / 8],
		       uint64_t id);

/* ---- isolation on and off, at run time --------------------------------------------------- */
/* The host serialises these two, and kaiser_space_evict() of a space that opted out. */

/* Switches isolation of the machine: KAISER_AUTO asks the CPU again. When it returns, user mode of
 * every CPU runs as decided. One call of each CPU, whatever it runs. Off costs nothing at the
 * gates: no CR3 write. Who may ask for it is the host's affair: it exposes all of the kernel to
 * every process. task. */
void kaiser_set_mode(struct kaiser *k, enum kaiser_mode mode);

/* Switches isolation of one space: false runs it without isolation whatever the mode, true ends
 * that. It is the space that opts out, all threads in it; a new space is isolated, so that what a
 * child or an exec inherits is the host's affair. Calls the CPUs that run it. task. */
void kaiser_space_isolate(struct kaiser_space *s, bool isolate);

/* ---- flushes: after the host has changed its tables ------------------------------------- */

/* Flushes [start, end) of s, page aligned, on every CPU that runs it. freed_tables: page-table
 * pages will be freed, so CPUs that hold s lazily must forget it too. task. */
void kaiser_flush_range(struct kaiser_space *s, uint64_t start, uint64_t end, bool freed_tables);
/* Flushes one page of s on every CPU that runs it; no table is freed. task. */
void kaiser_flush_page(struct kaiser_space *s, uint64_t va);
/* Flushes all of s on every CPU that runs it. freed_tables: as for kaiser_flush_range(). task. */
void kaiser_flush_space(struct kaiser_space *s, bool freed_tables);
/* Flushes kernel addresses [start, end) on every CPU that has entered: what others have cached is
 * the host's own affair. task; boot. */
void kaiser_flush_kernel(struct kaiser *k, uint64_t start, uint64_t end);
/* Flushes everything, everywhere, what the host made GLOBAL too. task. */
void kaiser_flush_all(struct kaiser *k);

/* ---- calling other CPUs ----------------------------------------------------------------- */

/* Runs fn(arg) with interrupts off on each CPU of mask (a bit a CPU) that has entered and not left,
 * the calling one among them, and returns when all have. fn returns, and calls nobody. By
 * ops->call_cpus where there is one, in its contexts; else by ops->interrupt_cpus, task or irqoff:
 * CPUs that call each other all go on, since one that waits runs what the others ask of it, even
 * where its interrupts are off. With them off no CPU may wait for what a calling CPU holds, such as
 * a lock: neither goes on. No error. task. */
void kaiser_call_cpus(struct kaiser *k, uint64_t mask, void (*fn)(void *arg), void *arg);
/* Runs the call that this CPU was asked for and has not begun, if there is one: what the handler of
 * ops->interrupt_cpus's interrupt does. Too late, too often or on a CPU that was not asked it
 * does nothing; a host that spins for long with interrupts off may call it there. The CPU has
 * entered. irqoff; not in an NMI, which may have come half way through a change of roots. */
void kaiser_serve_call(struct kaiser *k);

/* ---- the running thread ----------------------------------------------------------------- */

/* Sets the stack that the next entry from user mode of this CPU uses: `top` is its end, 16-byte
 * aligned. The pt_regs of the entry ends KAISER_KSTACK_PAD below it. irqoff. */
static inline void kaiser_set_kernel_stack(uint64_t top)
{
	__asm__ volatile("movq %0, %%gs:%c1" ::"r"(top - KAISER_KSTACK_PAD),
			 "i"(KAISER_GS_PRIVATE + KAISER_PRIV_KSTACK)
			 : "memory");
}

/* Where the last kaiser_set_kernel_stack() on this CPU put it: what a host keeps above its stacks
 * is found so without another line of memory. irqoff, or task where threads do not change CPUs. */
static inline uint64_t kaiser_kernel_stack(void)
{
	uint64_t v;

	__asm__ volatile("movq %%gs:%c1, %0"
			 : "=r"(v)
			 : "i"(KAISER_GS_PRIVATE + KAISER_PRIV_KSTACK));
	return v + KAISER_KSTACK_PAD;
}

/* Gives the place where an entry from user mode puts its pt_regs on a kernel stack that ends at
 * `top`: there a new thread's are written before its first return to user mode. any. */
static inline struct pt_regs *kaiser_user_frame(uint64_t top)
{
	return (struct pt_regs *)(top - KAISER_KSTACK_PAD) - 1;
}

/* Sets the three TLS entries of this CPU's GDT (selectors 0x63, 0x6b, 0x73; AMD volume 2, 4.8).
 * Each is 0 or a data segment of ring 3 and of 32 bits (D/B, bit 54: on a stack of 16 bits IRET
 * shows bits of the kernel's stack pointer, which only kaiser_space_set_ldt() hides); it is marked
 * accessed, since the GDT is read-only. Segment registers are the caller's to load afterwards.
 * kaiser_space_switch() to another space empties them, so set them after it, at each switch of
 * threads. irqoff. KAISER_E_ARG: nothing was changed.
 */
int kaiser_set_tls(const uint64_t tls[KAISER_TLS_ENTRIES]);

/* Returns to user mode with *regs, by SYSRET where that is safe, else by IRET: a new thread's first
 * return, or any return where the kernel keeps nothing of a thread but its frame. regs is
 * kaiser_user_frame() of the thread's kernel stack; the stack it is called on is given up. irqoff;
 * GS is the kernel's. */
__attribute__((__noreturn__)) void kaiser_exit_to_user(struct pt_regs *regs);

/* ---- debug registers -------------------------------------------------------------------- */
/*
 * DR0 to DR3 and DR7 are the host's, per thread. For user breakpoints it refuses, when they are
 * written:
 *  - every address for which kaiser_breakpoint_allowed() is false. A data breakpoint on the window
 *    would trap inside the gates; one on the entry page traps at each entry, on its own IST stack.
 *    Breakpoints on user memory may trap at CPL 0, when the kernel copies or, held back by MOV SS,
 *    at a gate's first instruction (CVE-2018-8897): that the #DB head expects.
 *  - DR7.GD (bit 13): the library's own write of DR7 would trap.
 *  - kinds and lengths that SDM volume 3, 17.2.4 calls undefined.
 * A host that wants breakpoints on its own code must keep them off the window and off all that runs
 * between a gate and kaiser_on_debug(). One in the entry code of the NMI, or of its exit, is told
 * once and then off, all others of that CPU with it, until the host writes DR7 again: the library
 * leaves by a jump there, which RF cannot carry past it.
 */
/* Whether a user breakpoint may cover [addr, addr + len): all of it below user_end. any. */
bool kaiser_breakpoint_allowed(const struct kaiser *k, uint64_t addr, uint64_t len);

/* ---- looking at it ---------------------------------------------------------------------- */

struct kaiser_stats {
	uint64_t switches;       /* kaiser_space_switch() to another space */
	uint64_t recycles;       /* ... for which a slot was filled anew */
	uint64_t lazy;           /* kaiser_space_lazy() */
	uint64_t lazy_catch_ups; /* flushes missed lazily and made up for at the next switch */
	uint64_t cr3_writes;     /* by C; gates not counted */
	uint64_t cr3_flushes;    /* ... without NOFLUSH. Without PCID that is all of them. */
	uint64_t user_flushes;   /* asked of an exit's CR3 write. Without PCID each exit flushes. */
	uint64_t flush_pages;    /* INVLPG */
	uint64_t flush_full;     /* of one space or all kernel addresses, on one CPU */
	uint64_t flush_ipis;     /* CPUs asked to flush */
	uint64_t flush_lazy;     /* CPUs that were not asked, being lazy */
	uint64_t invpcid_pages;  /* INVPCID of one address */
	uint64_t invpcid_all;    /* INVPCID of everything */
	uint64_t pge_toggles;    /* everything flushed by way of CR4.PGE */
	uint64_t pge_was_off;    /* ... and it had been off: somebody else clears it */
	uint64_t top_writes;
	uint64_t mode_turns; /* slots turned between isolated and not */
};
/* Counts, summed over all CPUs. any. */
void kaiser_stats(struct kaiser *k, struct kaiser_stats *st);

struct kaiser_slot_info {
	uint64_t space_id; /* 0: empty */
	kaiser_pa_t kernel_root, user_root;
	bool loaded, isolated;
};
/* What slot `slot` of CPU `cpu` holds; false when there is none such. any. */
bool kaiser_slot_info(struct kaiser *k, unsigned cpu, unsigned slot, struct kaiser_slot_info *si);

/* Prints the last transitions of CPU `cpu`, oldest first, one line each. Nothing unless built with
 * KAISER_DEBUG. nmi. */
void kaiser_trace_dump(struct kaiser *k, unsigned cpu, void (*line)(void *arg, const char *text),
		       void *arg);

/* The name of the stack of a CPU's window whose hole holds va ("entry stack", "#DB stack" ...):
 * that stack overflowed. NULL: no such place. nmi. */
const char *kaiser_hole_name(const struct kaiser *k, uint64_t va);

/* ---- what the host handles: link-time seam ---------------------------------------------- */
/*
 * Called by the gates with the kernel root loaded, the kernel's GS, interrupts off, AC and DF
 * clear, on the thread's kernel stack if the event came from user mode. They return with interrupts
 * off; when *regs is a user frame, the way out is by its contents. For three of them the library
 * has weak ones: what takes their place must be an object of the link, not a member of an archive.
 */

/* SYSCALL from 64-bit mode. ax is -ENOSYS, orig_ax the number. */
void kaiser_on_syscall(struct pt_regs *regs);
/*
 * A 32-bit system call; only if kaiser_config.ia32 was set, and then vector 0x80 serves nothing
 * else. orig_ax is EAX, zero-extended; ax is -ENOSYS. Only the lower halves of registers are meant.
 * The way back is IRET. `how` is one of
 * - KAISER_IA32_INT80: INT 0x80, from 64-bit code as well. *regs is complete.
 * - KAISER_IA32_SYSCALL: SYSCALL from compatibility mode. cx is the program's EBP, where Linux's
 *   programs have put ECX; ip is where it goes on.
 * - KAISER_IA32_SYSENTER: SYSENTER, from any mode. sp is the program's EBP, where Linux's programs
 *   have put ESP; ip is 0, to be set. The arithmetic flags are lost.
 */
void kaiser_on_ia32(struct pt_regs *regs, unsigned how);
/* Any vector but 1, 2, 8 and 18. regs->orig_ax is the error code where there is one, else of no
 * meaning. For #PF, CR2 is still untouched. */
void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector);
/* An NMI, also for one that came while it ran. From user mode it runs on the thread's stack. From
 * kernel mode it has a stack of its own, and whatever was interrupted may be in any state: take no
 * lock that anything else takes. Do not schedule. */
void kaiser_on_nmi(struct pt_regs *regs);
/* #DB. From kernel mode: as kaiser_on_nmi(), and take no exception: it may have hit an NMI's entry,
 * and an IRET would let in the next NMI, on the frame of that one. DR7 was cleared; for a kernel
 * frame it is put back, but for one in the NMI's entry code (see kaiser_breakpoint_allowed()); for
 * a user frame it is the host's to set. */
void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6);
/* #MC. From kernel mode: as kaiser_on_debug(). For a kernel frame the library clears
 * MCG_STATUS.MCIP, at the very return; for a user frame the host does, when it has read the banks.
 * A host that returns to a kernel frame must stand being called again for the same one: a second
 * machine check on the way back does that. A host that defines none gets one that panics. */
void kaiser_on_machine_check(struct pt_regs *regs);
/* #DF, on a stack of its own, from either mode; must not return. What overflowed is told by
 * kaiser_hole_name(k, cr2), or (k, regs->sp - 8). A host that defines none gets one that panics
 * with that name. */
__attribute__((__noreturn__)) void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2);

#ifdef __cplusplus
}
#endif

#endif
