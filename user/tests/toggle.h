/* SPDX-License-Identifier: MIT */
/* What toggle.c and toggle_process.c share. */
#ifndef USER_TESTS_TOGGLE_H
#define USER_TESTS_TOGGLE_H

#include <stdbool.h>

#define SWITCH "/proc/sys/kernel/kaiser"

/* Whether this address space is to be isolated: kernel/proc/prctl.c. */
#define PR_SET_KAISER 0x4b414901
#define PR_GET_KAISER 0x4b414902

/* The file can be read and holds the words. */
bool told(const char *file, const char *words);
/* fn's result in a child that is nobody. */
int as_user(int (*fn)(void));
/* 0 if an unprivileged process can neither open the switch for writing nor write to it. */
int may_not_switch(void);
/* One process and its children; self: this program, which with "report" exits with what
 * PR_GET_KAISER returns. */
void processes(char *self);

#endif
