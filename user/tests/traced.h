/* SPDX-License-Identifier: MIT */
/* What tracers of 32 and 64 bits do alike: waiting, going on, and kinds of stop to be at. */
#ifndef USER_TESTS_TRACED_H
#define USER_TESTS_TRACED_H

#include <stdbool.h>
#include <sys/types.h>

/* The status of a stop. */
#define STOP(sig)  ((sig) << 8 | 0x7f)
#define SYSSTOP    STOP(SIGTRAP | 0x80)
#define EXIT(code) ((code) << 8)

/* Waits for pid (any kind of child): the status. -1: there is none. -2: nothing within 10 s. */
int wait_for(pid_t pid);
/* Lets pid go on with `request` and `signal`, waits, returns the status. */
int go(long request, pid_t pid, int signal);
/* Kills and reaps it. */
void finish(pid_t pid);

enum where { AT_SIGNAL, AT_ENTRY, AT_EXIT, AT_TRAP, WHERES };
extern const char *const where_name[WHERES];

/* Comes by all of them: signals after a call and after a fault, a call. */
void busy(void);
/* A traced child before its first instruction of busy(): on to there. */
void go_to(pid_t pid, enum where where);
/* Lets it run to its end, signals delivered but for the harmless ones: what it ended by. */
int end_of(pid_t pid);
/* It lived, or died of a signal that its registers can bring. */
bool ended_well(int status);

#endif
