/* SPDX-License-Identifier: MIT */
/* Small objects. Sizes up to a page come from per-class slabs, larger ones from page runs. */
#ifndef KERNEL_SLAB_H
#define KERNEL_SLAB_H

#include "base.h"

/* Any context but NMI; 16-byte aligned; NULL when there is no memory. */
void *kmalloc(size_t size);
void *kzalloc(size_t size);
/* NULL is allowed. */
void kfree(void *p);
char *kstrdup(const char *s);

#endif
