/* SPDX-License-Identifier: MIT */
/* What the system calls itself: uname(2) and /proc say the same. */
#ifndef KERNEL_UTSNAME_H
#define KERNEL_UTSNAME_H

#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-kaiser"
/* A kernel with a seeded mistake tells it: scripts/patched_kernel.sh. */
#ifdef UTS_PATCHED
#define UTS_VERSION "#1 SMP KAISER, seeded mistake " UTS_PATCHED
#else
#define UTS_VERSION "#1 SMP KAISER"
#endif
#define UTS_MACHINE "x86_64"

enum { UTS_BYTES = 65 }; /* of each name, with its end */
/* What sethostname() set last, cleared to its end. proc/misc.c. */
void uts_nodename(char name[UTS_BYTES]);

#endif
