/* SPDX-License-Identifier: MIT */
/*
 * The user-mode fuzzer. Sequence i of seed s is a function of s and i alone: a state of all
 * registers and a few instructions around entries to the kernel. A worker, which is not root, runs
 * one after the other in itself and lives on its signal handler; every TRACED_EVERY-th runs in a
 * child that it traces, with registers and breakpoints changed at each stop. A supervisor, process
 * 1, replaces workers that died or hang; canaries watch their own registers and memory meanwhile.
 */
#ifndef USER_FUZZ_FUZZ_H
#define USER_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WORKERS_MAX = 8,
	TRACED_EVERY = 64,
	CODE_BYTES = 512,
	SCRATCH_BYTES = 65536,
	NSIGNALS = 65,
};

/* ---- rng.c: splitmix64, so that each index has a stream of its own ------------------------ */
struct rng {
	uint64_t state;
};
void rng_start(struct rng *r, uint64_t seed, uint64_t index);
uint64_t rng_next(struct rng *r);
static inline unsigned rng_below(struct rng *r, unsigned n)
{
	return (unsigned)((rng_next(r) >> 32) * n >> 32);
}

/* ---- what a sequence starts with; run.S knows the order ------------------------------------ */
struct start {
	uint64_t reg[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8 to r15 */
	uint64_t flags;
	uint64_t ip;
};
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* Memory of a worker: shared with the child that it traces. */
struct arena {
	uint8_t code[CODE_BYTES]; /* in the lowest 2 GiB, so that 32-bit code reaches it */
	uint8_t pad[4096 - CODE_BYTES];
	uint8_t scratch[SCRATCH_BYTES];
};

/* ---- gen.c -------------------------------------------------------------------------------- */
struct generator {
	struct rng rng;
	struct arena *arena;
	uint32_t pid; /* whom a signal may be sent to */
	uint8_t *at, *end;
};
/* Fills the arena and *s. */
void generate(struct generator *g, uint64_t seed, uint64_t index, struct start *s);
/* A value for a register or an address: what has broken kernels before, or anything. */
uint64_t gen_value(struct generator *g);
uint64_t gen_flags(struct generator *g);
uint64_t gen_selector(struct generator *g);

/* ---- run.S --------------------------------------------------------------------------------- */
/* Loads *s and jumps; the handler ends it by going to fuzz_resume. Needs no thread-local storage.
 */
void fuzz_enter(const struct start *s);
extern char fuzz_resume[], fuzz_running;

/* ---- worker.c, trace.c, canary.c ----------------------------------------------------------- */
/* Shared by all processes. */
struct progress {
	volatile uint64_t index; /* of the sequence under way */
	volatile uint64_t done;
	volatile bool unfit; /* could not even begin */
	volatile uint64_t signals[NSIGNALS], traced_stops, traced_deaths;
};
struct shared {
	struct progress worker[WORKERS_MAX];
	volatile uint64_t canary_rounds, canary_bad;
};
struct job {
	struct shared *shared;
	unsigned worker, step;
	uint64_t seed, origin, first, end; /* origin: where it began; first: where it goes on */
	bool verbose;                      /* names each sequence before it runs */
};
/* From job->first on, by job->step; exits. */
void worker_run(const struct job *job) __attribute__((noreturn));
/* One sequence in a traced child. */
void trace_one(struct generator *g, uint64_t seed, uint64_t index, struct progress *p);
void canary_run(struct shared *shared) __attribute__((noreturn));

#endif
