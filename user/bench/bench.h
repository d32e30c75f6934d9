/* SPDX-License-Identifier: MIT */
/* The guest's side of kaiser bench. */
#ifndef USER_BENCH_H
#define USER_BENCH_H

#include <stdbool.h>

#include "../../tools/bench/trace.h"

#define STRING(x)  #x
#define XSTRING(x) STRING(x)
/* A NOP of seven bytes that the recorder knows by its displacement. */
#define MARK(code)                                                                        \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long %c0" ::"i"(TRACE_MARK | (code)) \
			 : "memory")

enum op_number {
#define OP(number, name, what) OP_##name = number,
#include "ops.h"
#undef OP
	OPS
};

struct op {
	enum op_number number;
	bool (*prepare)(void); /* false: not there on this kernel */
	void (*run)(void);     /* once, all of it between marks; NULL: prepare() did it all */
	void (*after)(void);   /* puts back what run() changed, not measured */
	void (*finish)(void);
	unsigned warm; /* runs before the measured ones */
};

extern unsigned reps; /* measured runs */
extern unsigned cpus; /* that are up; this program keeps to the first */
extern const struct op call_ops[], memory_ops[], process_ops[], switch_ops[];

void op_mark(unsigned number); /* names the operation to the recorder */
bool op_wanted(unsigned number);
_Noreturn void die(const char *what);

/* process.c: the program was started again by its exec test. */
void exec_again(char **argv);
/* event.c: what cannot be repeated by a function. */
void event_timer(void);
void event_nmi(void);

#endif
