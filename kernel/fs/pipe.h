/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_FS_PIPE_H
#define KERNEL_FS_PIPE_H

#include "fs.h"

/* F_SETPIPE_SZ (set) and F_GETPIPE_SZ of a pipe's file: the size in bytes or -errno. */
long pipe_size(struct file *f, bool set, uint64_t want);

#endif
