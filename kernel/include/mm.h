/* SPDX-License-Identifier: MIT */
/* User address spaces: areas, demand paging, copy-on-write. */
#ifndef KERNEL_MM_H
#define KERNEL_MM_H

#include <kaiser/kaiser.h>

#include "list.h"
#include "page.h"
#include "sync.h"

struct file;
struct inode;
struct shared_anon; /* mm/anon.c: the pages of a MAP_SHARED | MAP_ANONYMOUS area */

/* Kept for the stack below USER_END: fresh mappings go lower. exec places the stack's top at most
 * MM_STACK_ROOM - 16 MiB below USER_END. */
#define MM_STACK_ROOM (UINT64_C(32) << 30)

enum { /* Linux's numbers */
       PROT_NONE = 0,
       PROT_READ = 1,
       PROT_WRITE = 2,
       PROT_EXEC = 4,
       PROT_GROWSDOWN = 0x01000000,
       MAP_SHARED = 1,
       MAP_PRIVATE = 2,
       MAP_FIXED = 0x10,
       MAP_ANONYMOUS = 0x20,
       MAP_GROWSDOWN = 0x100,
       MAP_STACK = 0x20000,
       MAP_NORESERVE = 0x4000,
       MAP_POPULATE = 0x8000,
       MAP_FIXED_NOREPLACE = 0x100000,
       MREMAP_MAYMOVE = 1,
       MREMAP_FIXED = 2,
};
/* The kernel's own, of both: what is chosen is below 4 GiB. */
#define MM_BELOW_4G UINT32_C(0x80000000)

struct vma {
	struct list link;         /* in mm->areas, sorted by start, never overlapping */
	uint64_t start, end;      /* [start, end), page aligned */
	uint32_t prot;            /* PROT_* */
	uint32_t flags;           /* MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN, ... */
	struct inode *inode;      /* file mapping, one reference held, else NULL */
	uint64_t offset;          /* of start in the file, bytes */
	struct shared_anon *anon; /* one reference held, else NULL */
	uint32_t max_prot; /* what mprotect may allow: a read-only file's shared area: no write */
	struct mm *mm;     /* whose area it is, once it is in mm->areas */
	struct list map_link; /* in inode->mappings; inode->map_lock */
	uint64_t cut;         /* inode->cuts when it was last looked at for that */
	char name[16];        /* "[stack]", "[heap]" for /proc, else "" */
};

struct mm {
	struct kaiser_space space; /* libkaiser's part; the host's top-level table is in it */
	int refs;
	struct mutex lock; /* areas and tables; fault, mmap, fork take it */
	struct list areas;
	uint64_t brk_start, brk;
	uint64_t mmap_top; /* fresh mappings go below this */
	uint64_t stack_top;
	uint64_t arg_start, arg_end, env_start, env_end; /* for /proc/PID/cmdline */
	struct inode *exe;                               /* for /proc/PID/exe; may be NULL */
	uint64_t rss_pages, total_pages;
	uint64_t vdso32; /* of a 32-bit program: compat/vdso32.h; else 0 */
	uint64_t *stash; /* pages of PROT_NONE areas: mm/internal.h */
};

/* All return NULL or a negative errno on failure; none leaves a half-made mapping behind. */
struct mm *mm_create(void);
/* A copy-on-write copy; NULL when out of memory (the parent is unchanged). */
struct mm *mm_fork(struct mm *parent);
void mm_get(struct mm *mm);
/* The last put evicts the space from every CPU and frees everything. Not from interrupts. */
void mm_put(struct mm *mm);
/* Makes this CPU run mm (NULL: a kernel thread; what is loaded stays, lazily). Interrupts off. */
void mm_switch(struct mm *mm);

/* addr == 0 and no MAP_FIXED: chooses. Returns the address or -errno. */
long mm_mmap(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags,
	     struct inode *inode, uint64_t offset);
int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len);
int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot);
uint64_t mm_brk(struct mm *mm, uint64_t brk);
long mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, uint32_t flags,
	       uint64_t new_addr);
/* The area that holds addr, or NULL. mm->lock held. */
struct vma *mm_find(struct mm *mm, uint64_t addr);

/* A page fault of the current task at user address va (from user mode or from uaccess.h).
 * `write`, `exec`: what was tried. 0: retry the instruction; -EFAULT: SIGSEGV (SEGV_MAPERR);
 * -EACCES: SIGSEGV (SEGV_ACCERR); -ENOMEM: kill the process; -EIO: SIGBUS (beyond the file). */
int mm_fault(struct mm *mm, uint64_t va, bool write, bool exec);

/* The file ends at `end` now, page aligned: what shows more of it, private copies included, loses
 * those pages in every process, so that a touch is SIGBUS. inode->cut_lock held, no other. */
void filemap_cut(struct inode *in, uint64_t end);

/* Another process's memory, for /proc/PID/cmdline and (later) ptrace: bytes copied or -errno. */
long mm_peek(struct mm *mm, uint64_t va, void *dst, size_t n);
/* The same, written. Pages that are read-only to the program are written too, in a copy of its own:
 * breakpoints in code. -EIO where they are shared with others. */
long mm_poke(struct mm *mm, uint64_t va, const void *src, size_t n);
/* The memory at a physical address is broken. If mm maps it, it keeps the page for ever, so that
 * nobody else gets it, and *va is where it has it. Task context. */
bool mm_lose_page(struct mm *mm, uint64_t pa, uint64_t *va);

/* proc/ldt.c: `to`, not run yet, gets a copy of from's LDT. from->lock held. 0 or -ENOMEM. */
int ldt_copy(struct mm *to, const struct mm *from);
/* The descriptor at that place of mm's LDT; 0: none, or no memory to look. */
uint64_t ldt_entry(struct mm *mm, unsigned entry);

#endif
