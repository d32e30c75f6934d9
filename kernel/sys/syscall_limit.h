/* SPDX-License-Identifier: MIT */
/* Numbers from here on are of no system call. For C and assembly. */
#ifndef KERNEL_SYSCALL_LIMIT_H
#define KERNEL_SYSCALL_LIMIT_H

#define SYSCALL_LIMIT 448

#endif
