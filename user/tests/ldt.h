/* SPDX-License-Identifier: MIT */
#ifndef USER_TESTS_LDT_H
#define USER_TESTS_LDT_H

#include <stdbool.h>
#include <stdint.h>

/* Linux's struct user_desc. flags: SEG_*. */
struct segment {
	uint32_t entry, base, limit, flags;
};
enum {
	SEG_32BIT = 1 << 0,
	SEG_CODE = 2 << 1,
	SEG_CONFORMING = 3 << 1,
	SEG_READ_EXEC_ONLY = 1 << 3,
	SEG_LIMIT_IN_PAGES = 1 << 4,
	SEG_NOT_PRESENT = 1 << 5,
	SEG_USEABLE = 1 << 6,
	SEG_LM = 1 << 7,
};
#define SEL(entry) ((uint16_t)((entry) << 3 | 7))

/* What ldt_enter() loads and what comes back. ORDER: ldt_enter.S */
struct ldt_call {
	uint32_t eip, cs; /* m16:32 */
	uint32_t esp, ss;
	uint32_t rounds, es;
	uint64_t rsp_after;
	uint32_t eax;
};
extern volatile struct ldt_call ldt_call;
void ldt_enter(void);
extern char ldt_back[], ldt_code_trap[], ldt_code_spin[], ldt_code_push[], ldt_code_es[],
	ldt_code_16[];

/* The call's result as Linux has it: 32 bits. */
int ldt_do(int func, void *ptr, unsigned long bytes);
bool ldt_set(uint32_t entry, uint32_t base, uint32_t limit, uint32_t flags);
bool ldt_clear(uint32_t entry);

void ldt_threads(void);

#endif
