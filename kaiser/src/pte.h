/* SPDX-License-Identifier: MIT */
/* Bits of a page-table entry: SDM volume 3, 4.5. The same at every level but for PS and G. */
#ifndef KAISER_PTE_H
#define KAISER_PTE_H

#include <stdint.h>

#define PTE_P    (UINT64_C(1) << 0)
#define PTE_W    (UINT64_C(1) << 1)
#define PTE_U    (UINT64_C(1) << 2)
#define PTE_A    (UINT64_C(1) << 5)
#define PTE_D    (UINT64_C(1) << 6)
#define PTE_PS   (UINT64_C(1) << 7) /* a leaf at level 1 or 2; PAT at level 0 */
#define PTE_G    (UINT64_C(1) << 8) /* leaves only */
#define PTE_NX   (UINT64_C(1) << 63)
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

#endif
