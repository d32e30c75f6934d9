/* SPDX-License-Identifier: MIT */
/* The parts of the hostile suite. */
#ifndef USER_TESTS_HOSTILE_H
#define USER_TESTS_HOSTILE_H

#include <stdint.h>

/* Addresses no program may use: around zero, the edges of both halves, the kernel's image, direct
 * map and window as they lie without randomisation, and the last byte of all. */
#define BAD_ADDRS 18
extern const uint64_t bad_addrs[BAD_ADDRS];

void hostile_pointers(void);
void hostile_insns(void);
void hostile_frames(void);

#endif
