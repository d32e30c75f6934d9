/* SPDX-License-Identifier: MIT */
/* Directories, rename, links, times, and /proc. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "basic.h"
#include "dirents.h"
#include "ktap.h"

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			ktap_note("cannot write %s", path);
		close(fd);
	}
}

/* The whole of a small file, in a static buffer. */
static const char *get(const char *path)
{
	static char buf[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : 0, r = 0;

	while (fd >= 0 && (r = read(fd, buf + n, sizeof(buf) - 1 - (size_t)n)) > 0)
		n += r;
	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_dirs(void)
{
	char cwd[256], name[64];
	struct stat st;

	CHECK(mkdir("/tmp/ktap-d", 0755) == 0 && chdir("/tmp/ktap-d") == 0, "mkdir, chdir");
	CHECK(mkdir("/tmp/ktap-d", 0755) == -1 && errno == EEXIST, "mkdir again: EEXIST");
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/tmp/ktap-d"), "getcwd");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "a-rather-long-file-name-number-%d", i);
		put(name, name);
	}
	CHECK(entries(".") == 302, "getdents64 over many entries");
	CHECK(old_dirents("/proc/self"), "getdents, the older form");
	CHECK(rmdir("/tmp/ktap-d") == -1 && errno == ENOTEMPTY, "rmdir: ENOTEMPTY");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "a-rather-long-file-name-number-%d", i);
		unlink(name);
	}
	CHECK(entries(".") == 2, "all unlinked");
	CHECK(mkdir("sub", 0700) == 0 && stat("sub", &st) == 0 && S_ISDIR(st.st_mode) &&
		      (st.st_mode & 0777) == 0700,
	      "stat of a directory");
	int dfd = open("sub", O_RDONLY | O_DIRECTORY),
	    fd = openat(dfd, "in", O_CREAT | O_RDWR, 0600);

	CHECK(fd >= 0 && access("sub/in", F_OK) == 0, "openat");
	close(fd);
	CHECK(unlinkat(dfd, "in", 0) == 0 && fchdir(dfd) == 0 && chdir("..") == 0,
	      "unlinkat, fchdir");
	close(dfd);
	CHECK(unlink("sub") == -1 && (errno == EISDIR || errno == EPERM), "unlink of a directory");
	rmdir("sub");
}

static void test_links(void)
{
	char buf[64];
	struct stat st, st2;

	put("a", "first");
	CHECK(link("a", "b") == 0 && stat("a", &st) == 0 && stat("b", &st2) == 0 &&
		      st.st_ino == st2.st_ino && st.st_nlink == 2,
	      "link");
	CHECK(unlink("a") == 0 && !strcmp(get("b"), "first"), "the other name keeps it");
	CHECK(symlink("b", "s") == 0 && !strcmp(get("s"), "first"), "symlink");
	ssize_t n = readlink("s", buf, sizeof(buf));

	CHECK(n == 1 && buf[0] == 'b' && lstat("s", &st) == 0 && S_ISLNK(st.st_mode),
	      "readlink, lstat");
	CHECK(open("s", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP, "O_NOFOLLOW: ELOOP");
	CHECK(symlink("y", "x") == 0 && symlink("x", "y") == 0 && open("x", O_RDONLY) == -1 &&
		      errno == ELOOP,
	      "a loop of links: ELOOP");
	put("c", "second");
	CHECK(rename("b", "c") == 0 && !strcmp(get("c"), "first") && access("b", F_OK) == -1,
	      "rename over a file");
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	CHECK(rename("d", "d/e/f") == -1 && errno == EINVAL, "a directory into itself: EINVAL");
	CHECK(rename("c", "d/e/c") == 0 && !strcmp(get("d/e/c"), "first"), "rename across");
	CHECK(rename("d/e", "g") == 0 && !strcmp(get("g/c"), "first"), "rename a directory");
	int fd = open("g/c", O_RDWR);

	unlink("g/c");
	CHECK(pread(fd, buf, 5, 0) == 5 && !memcmp(buf, "first", 5), "open, unlinked, still there");
	close(fd);
	unlink("s");
	unlink("x");
	unlink("y");
	rmdir("g");
	rmdir("d");
	put("t", "t");
	struct timespec times[2] = {{1000, 5}, {2000, 7}};

	CHECK(utimensat(AT_FDCWD, "t", times, 0) == 0 && stat("t", &st) == 0 &&
		      st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000,
	      "utimensat");
	CHECK(chmod("t", 0604) == 0 && stat("t", &st) == 0 && (st.st_mode & 07777) == 0604,
	      "chmod");
	unlink("t");
	CHECK(mkfifo("p", 0600) == 0 && stat("p", &st) == 0 && S_ISFIFO(st.st_mode), "mkfifo");
	unlink("p");
	chdir("/");
	rmdir("/tmp/ktap-d");
	struct statfs fs;

	CHECK(statfs("/tmp", &fs) == 0 && fs.f_bsize > 0, "statfs");
}

static void test_proc(void)
{
	char path[64];

	CHECK(strstr(get("/proc/self/status"), "Pid:"), "/proc/self/status");
	CHECK(strstr(get("/proc/meminfo"), "MemTotal:"), "/proc/meminfo");
	CHECK(strstr(get("/proc/cpuinfo"), "processor"), "/proc/cpuinfo");
	CHECK(strtod(get("/proc/uptime"), NULL) > 0, "/proc/uptime");
	CHECK(strtol(get("/proc/self/stat"), NULL, 10) == getpid(), "/proc/self/stat");
	CHECK(strlen(get("/proc/self/cmdline")) > 0, "/proc/self/cmdline");
	CHECK(strstr(get("/proc/self/maps"), "[stack]"), "/proc/self/maps");
	snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
	CHECK(strtol(get(path), NULL, 10) == getpid(), "/proc/PID/stat");
	CHECK(entries("/proc/self/fd") >= 4, "/proc/self/fd");
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	CHECK(n > 0 && path[0] == '/', "/proc/self/exe");
	CHECK(strlen(get("/proc/mounts")) > 0, "/proc/mounts");
}

void basic_dirs(void)
{
	test_dirs();
	test_links();
	test_proc();
}
