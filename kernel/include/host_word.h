/* SPDX-License-Identifier: MIT */
/* What is in the host's own 8 bytes of libkaiser's per-CPU page, in a line that every entry reads.
 * For C and assembly; <kaiser/layout.h> comes first. */
#ifndef KERNEL_HOST_WORD_H
#define KERNEL_HOST_WORD_H

/* Four bytes: bit 0 and CALL_TRACED of cpu.h. */
#define HOST_WORD_EXIT KAISER_GS_HOST_WORD
/* One byte: whether the CPU has SMAP, so that user accesses are to be opened and closed. */
#define HOST_WORD_SMAP (KAISER_GS_HOST_WORD + 4)

#endif
