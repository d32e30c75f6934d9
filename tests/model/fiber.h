/* SPDX-License-Identifier: MIT */
/* Stacks of their own for the model CPUs, switched by hand: no thread, no clock, no chance. */
#ifndef MODEL_FIBER_H
#define MODEL_FIBER_H

#include <stddef.h>

struct fiber {
	void *sp;
	char *stack;
	size_t size;
	void *fake; /* AddressSanitizer's */
};

/* Makes f ready to call entry(), which never returns; the stack is kept from one time to the next.
 */
void fiber_start(struct fiber *f, void (*entry)(void));
/* From the running fiber to another. from: where to keep the running one's state. */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
