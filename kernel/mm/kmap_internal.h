/* SPDX-License-Identifier: MIT */
/* How the kmap slot is divided. */
#ifndef KERNEL_MM_KMAP_INTERNAL_H
#define KERNEL_MM_KMAP_INTERNAL_H

#include "base.h"

#define KMAP_SLOT_BYTES BIT(39)
#define KMAP_STACKS     UINT64_C(0) /* offset of the stacks; then, far off, of device memory */
#define KMAP_MMIO       BIT(38)

extern uint64_t kmap_slot; /* its first address */

#endif
