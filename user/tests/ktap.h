/* SPDX-License-Identifier: MIT */
/*
 * KTAP for programs that are tests by themselves: each runs as /init of a guest, on KAISER or on
 * Linux, or as an ordinary program. "ok N - name" and "not ok N - name" lines, the plan last, so
 * that a suite cut short has none; process 1 then powers off.
 */
#ifndef USER_TESTS_KTAP_H
#define USER_TESTS_KTAP_H

#include <stdbool.h>

void ktap_start(void);
/* Returns ok. */
bool ktap_ok(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ktap_skip(const char *name, const char *why);
void ktap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the plan; returns the exit code. Does not return in process 1. */
int ktap_end(void);

/* Runs fn(arg) in a child (its return value is the exit code) that SIGALRM ends after 20 s. Returns
 * the status as wait4 gives it. */
int ktap_child(int (*fn)(void *), void *arg);
/* What a status means, in a static buffer: "exit 3", "SIGSEGV". */
const char *ktap_status(int status);

#define CHECK(cond, ...)                                                                     \
	do {                                                                                 \
		if (!ktap_ok((cond), __VA_ARGS__))                                           \
			ktap_note("%s:%d: %s (errno %d)", __FILE__, __LINE__, #cond, errno); \
	} while (0)

#endif
