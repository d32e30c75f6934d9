/* SPDX-License-Identifier: MIT */
/*
 * A kernel that calls every function of the installed library and provokes every error: api.c,
 * calls.c, events.c, on examples/tinyhost's start-up, memory and CPU code. tests/installed.t builds
 * and judges it; what it prints is TAP, and a line "# called NAME" for each function.
 */
#ifndef API_H
#define API_H

#include <kaiser/verify.h>

#include "tiny.h"

#define USER_END   UINT64_C(0x00007ffffffff000)
#define USER_CODE  UINT64_C(0x400000)
#define USER_DATA  UINT64_C(0x800000)
#define LDT_TOP    300
#define LDT_SYSTEM UINT64_C(0x00008b0000000000) /* a TSS: no LDT may have one */
#define LDT_DATA   UINT64_C(0x00cff3000000ffff) /* a data segment of ring 3 */

/* The next allocation or mapping but `after` fails; -1: none. */
extern int fail_alloc, fail_map;
extern struct kaiser_ops ops; /* by interrupts; call_cpus is set where it is tested */
extern unsigned interrupts_sent;
extern struct kaiser kaiser;
extern unsigned cpus; /* that run */
extern struct kaiser_config config;
extern struct kaiser_space space;
extern uint64_t *space_top;

void host_enter(unsigned cpu);
void note(const char *text, const char *more); /* a line of TAP's that judges nothing */
void check(bool good, const char *text);
/* That a function returned that error: "ok N - NAME: ERROR: text". */
void check_error(int got, int want, const char *name, const char *error, const char *text);
#define WANT(error, fn, args, text) check_error(fn args, error, #fn, #error, text)
/* For what no symbol tells: inline functions, and handlers, which the library calls. */
void called(const char *name);

enum { VEC_HOOK = 0x42 };
void hook_call_cpus(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg);
void hook_interrupt(void);

/* calls.c */
void calls_before_init(void);
void calls_prepare(void);
void calls_running(void);
void calls_looking(void);

/* events.c: in order; the last ends the machine. */
void events_from_kernel(void);
__attribute__((__noreturn__)) void events_from_user(void);

/* Made by tests/installed.t. */
void print_called(void);

#endif
