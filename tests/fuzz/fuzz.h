/* SPDX-License-Identifier: MIT */
/* What the targets that run the whole command share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file with that content; its path is good until the next call for the same slot. */
const char *fuzz_file(unsigned slot, const uint8_t *data, size_t size);
/* Runs `kaiser audit` with these arguments, NULL last. Any code but 0 to 2 aborts. What it
 * prints is of no interest: -close_fd_mask=3. */
void fuzz_audit(const char *first, ...);

#endif
