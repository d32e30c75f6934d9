/* SPDX-License-Identifier: MIT */
/*
 * The pattern of the residue test: 32-bit halves that nothing else holds. Both are odd addresses to
 * be told at any byte offset: HIGH_nn in the upper half, LOW_nn in the lower, nn the register.
 *
 * RIP is pattern too: the code runs in a page so placed that the low half of its addresses is
 * LOW_nn. Where an address must be canonical, only the low half is pattern.
 */
#ifndef GUEST_RESIDUE_H
#define GUEST_RESIDUE_H

#define PATTERN_LOW  0xb7d2f400
#define PATTERN_HIGH 0xa5c3e100
#define PATTERN_MASK 0xffffff00

#define PATTERN_PAGE 0x5ac3b7d2f000 /* code from + 0x400, its data from + 0x800 */
#define PATTERN_CODE 0x5ac3b7d2f400
#define PATTERN_DATA 0x5ac3b7d2f800
#define PATTERN_HOLE 0x5ac4b7d2f4ee /* mapped by nothing */

/* Counters at PATTERN_DATA: rounds, then signals by number. */
#define DATA_ROUNDS  0
#define DATA_SIGNALS 8

#define OTHER_R15 0x0b0b0b0b0b0b0b0b

#endif
