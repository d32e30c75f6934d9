/* SPDX-License-Identifier: MIT */
/* What the files of lib/ share. */
#ifndef LIB_LIB_H
#define LIB_LIB_H

/* From now on printk() writes even if it cannot have its lock. */
void printk_force(void);

#endif
