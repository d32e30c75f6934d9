/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "dirents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Entries as either call has them. */
struct entry {
	uint64_t ino;
	unsigned type;
	const char *name;
};

static struct entry old_entry(const char *p)
{
	unsigned long ino;
	uint16_t len;

	memcpy(&ino, p, sizeof(ino));
	memcpy(&len, p + 2 * sizeof(ino), 2);
	return (struct entry){ino, (uint8_t)p[len - 1], p + 2 * sizeof(ino) + 2};
}

static struct entry new_entry(const char *p)
{
	uint64_t ino;

	memcpy(&ino, p, sizeof(ino));
	return (struct entry){ino, (uint8_t)p[18], p + 19};
}

static uint16_t length(const char *p, size_t at)
{
	uint16_t len;

	memcpy(&len, p + at, 2);
	return len;
}

/* The offset of an entry is where the next one is found. */
static bool seeks(int fd, const char *p, const char *next)
{
	char buf[512];
	unsigned long off;

	memcpy(&off, p + sizeof(off), sizeof(off));
	return lseek(fd, (off_t)off, SEEK_SET) == (off_t)off &&
	       syscall(SYS_getdents, fd, buf, sizeof(buf)) > 0 &&
	       strcmp(old_entry(buf).name, old_entry(next).name) == 0;
}

bool old_dirents(const char *dir)
{
	static char old[8192], new[8192];
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	long n = syscall(SYS_getdents, fd, old, sizeof(old)), m, i = 0, j = 0;
	size_t at = 2 * sizeof(long);
	bool ok = n > 0 && syscall(SYS_getdents, fd, old, sizeof(old)) == 0;

	lseek(fd, 0, SEEK_SET);
	m = syscall(SYS_getdents64, fd, new, sizeof(new));
	while (ok && i < n && j < m) {
		struct entry a = old_entry(old + i), b = new_entry(new + j);

		ok = a.ino == b.ino && a.type == b.type && strcmp(a.name, b.name) == 0 &&
		     length(old, (size_t)i + at) % sizeof(long) == 0;
		i += length(old, (size_t)i + at);
		j += length(new, (size_t)j + 16);
	}
	ok = ok && i == n && j == m && length(old, at) < n && seeks(fd, old, old + length(old, at));
	lseek(fd, 0, SEEK_SET);
	ok = ok && syscall(SYS_getdents, fd, old, 8) == -1 && errno == EINVAL &&
	     syscall(SYS_getdents, fd, (void *)8, 512) == -1 && errno == EFAULT;
	close(fd);
	return ok && syscall(SYS_getdents, 0, old, sizeof(old)) == -1;
}
