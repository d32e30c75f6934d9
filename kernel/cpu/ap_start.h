/* SPDX-License-Identifier: MIT */
/* The start of the other CPUs, as C and assembly see it. All of it lies below 1 MiB, which the boot
 * code never gives to the page allocator. */
#ifndef KERNEL_CPU_AP_START_H
#define KERNEL_CPU_AP_START_H

#define AP_PAGE 0x8000 /* the code; its number is the start-up vector */
/* The page tables. The top one has an even frame number, lest an NMI take it for a user root. */
#define AP_TABLES      0xa000
#define AP_TABLE_PAGES 5 /* one more than four levels need */

/* Offsets in struct ap_params. */
#define AP_ENTRY 0
#define AP_STACK 8
#define AP_ARG   16
#define AP_EFER  24
#define AP_CR3   32
#define AP_CR4   36

#endif
