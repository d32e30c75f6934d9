/* SPDX-License-Identifier: MIT */
/* What the system calls itself: uname(2) and /proc say the same. */
#ifndef KERNEL_UTSNAME_H
#define KERNEL_UTSNAME_H

#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-kaiser"
#define UTS_VERSION "#1 SMP KAISER"

#endif
