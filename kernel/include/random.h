/* SPDX-License-Identifier: MIT */
/* Random numbers. fs/random.c. */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include "base.h"

/* Any context but NMI, from the first instruction of kernel_main on; never fails, never waits. */
void random_bytes(void *buf, size_t n);
/* Mixes bytes in. What is known to an attacker does no harm. Any context but NMI. */
void random_seed(const void *seed, size_t n);
/* The moment of an interrupt, cheap. */
void random_stir(void);

#endif
