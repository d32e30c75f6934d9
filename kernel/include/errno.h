/* SPDX-License-Identifier: MIT */
/* Linux error numbers: programs see them. */
#ifndef KERNEL_ERRNO_H
#define KERNEL_ERRNO_H

enum {
	EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8,
	EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, ENOTBLK = 15,
	EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22,
	ENFILE = 23, EMFILE = 24, ENOTTY = 25, ETXTBSY = 26, EFBIG = 27, ENOSPC = 28, ESPIPE = 29,
	EROFS = 30, EMLINK = 31, EPIPE = 32, EDOM = 33, ERANGE = 34, EDEADLK = 35,
	ENAMETOOLONG = 36, ENOLCK = 37, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, ENODATA = 61,
	EOVERFLOW = 75, ENOTSOCK = 88, EOPNOTSUPP = 95, EAFNOSUPPORT = 97, ETIMEDOUT = 110,

	/* Never seen by programs: a signal interrupted the call. See signal.c. */
	ERESTARTSYS = 512,           /* restart if SA_RESTART or no handler ran, else EINTR */
	ERESTARTNOINTR = 513,        /* always restart */
	ERESTARTNOHAND = 514,        /* restart only if no handler ran */
	ERESTART_RESTARTBLOCK = 516, /* restart by restart_syscall if no handler ran */
};

#endif
