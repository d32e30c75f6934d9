/* SPDX-License-Identifier: MIT */
/*
 * Where registers and memory come from: a guest under QEMU, or an image of one. Functions return 0,
 * or -1 with a sentence in s->error. Registers and memory are valid between a stop and the next go.
 */
#ifndef TOOLS_AUDIT_SOURCE_H
#define TOOLS_AUDIT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_CPUS 256
#define SOURCE_RAM  128

struct source_segment {
	unsigned selector;
	uint64_t base;
	uint32_t limit;
};

struct source_cpu {
	unsigned known; /* enum kaiser_known, of what is from the CPU itself */
	bool paging;    /* in long mode, so CR3 means something */
	bool bits32;    /* runs 32-bit code */
	unsigned cpl;
	unsigned regs; /* how many of reg[] are known */
	uint64_t reg[16];
	uint64_t rip, rsp, rflags, cr0, cr3, cr4, efer;
	struct source_segment cs, gs, ldt, tr, gdt, idt;
	uint64_t kernel_gs, lstar, cstar, sysenter_eip;
	uint32_t sysenter_cs;
};

struct source {
	bool live; /* can be stopped and let go */
	bool stopped;
	unsigned cpus;
	struct source_cpu cpu[SOURCE_CPUS];
	unsigned pa_bits; /* 0: not known */
	unsigned rams;
	struct {
		uint64_t start, end;
	} ram[SOURCE_RAM];
	char error[256];
	struct {                  /* what looking has cost so far */
		uint64_t reads;   /* of physical memory, by the checks and all else */
		uint64_t fetches; /* of them, those for which the guest or the image was asked */
		uint64_t pages;   /* that came of it */
	} cost;

	int (*stop)(struct source *s); /* and reads the registers */
	int (*go)(struct source *s);
	/* LSTAR and its like, where they can be had; slow. Failing leaves them not known. */
	void (*msrs)(struct source *s);
	/* A page, which is RAM; more may be put into the cache meanwhile. */
	int (*page)(struct source *s, uint64_t pa, void *buf);
	void (*close)(struct source *s);
	void *own;
	struct cache *cache;
};

/* source_qemu.c: by its sockets, either may be NULL. */
int source_qemu(struct source *s, const char *qmp, const char *gdb, int timeout_ms);
/* source_run.c: starts it and waits for its sockets. */
int source_run(struct source *s, char **command);
/* source_image.c */
int source_raw(struct source *s, const char *path, uint64_t cr3, bool five_levels);
int source_dump(struct source *s, const char *path);

int source_fail(struct source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* source.c: n bytes at pa, not across a page; -1 if that is not RAM or cannot be had. */
int source_read(struct source *s, uint64_t pa, void *buf, size_t n);
void source_forget(struct source *s); /* memory may have changed */
void source_put(struct source *s, uint64_t pa, const void *page);
void source_close(struct source *s);

/* The same as a callback. */
int source_read_checked(void *s, uint64_t pa, void *buf, size_t n);

struct gdb;
/* The stub of a stopped guest, connected to if need be, and its number of CR3. NULL: there is none
 * that serves: breakpoints under KVM write into memory. */
struct gdb *source_stub(struct source *s, int *cr3_number);
/* After the stub was used: what is known of registers and memory is of before. */
int source_stopped(struct source *s);

/* What must not stay as we leave it if a signal ends us: text to send, and a child. */
void source_on_signal(int fd, const char *text);
void source_on_signal_kill(int pid);

/* registers.c: the text of `info registers -a`. */
int registers_parse(struct source *s, char *text);
/* devstate.c: MSRs out of QEMU's own state of its devices. */
int devstate_parse(struct source *s, const uint8_t *p, size_t n);

#endif
