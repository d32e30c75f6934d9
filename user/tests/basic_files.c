/* SPDX-License-Identifier: MIT */
/* open, read, write, seek, dup, fcntl, pipes, poll, select, devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

static void test_file(void)
{
	char buf[64] = {0};
	struct stat st;
	int fd = open("/tmp/ktap-f", O_RDWR | O_CREAT | O_EXCL, 0640);

	CHECK(fd >= 0, "open O_CREAT|O_EXCL");
	CHECK(open("/tmp/ktap-f", O_RDWR | O_CREAT | O_EXCL, 0640) == -1 && errno == EEXIST,
	      "again: EEXIST");
	CHECK(write(fd, "hello, world", 12) == 12 && lseek(fd, 0, SEEK_CUR) == 12, "write");
	CHECK(lseek(fd, -5, SEEK_END) == 7 && read(fd, buf, 64) == 5 && !memcmp(buf, "world", 5),
	      "lseek and read");
	CHECK(read(fd, buf, 64) == 0, "end of file: 0");
	CHECK(lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL, "before the start: EINVAL");
	CHECK(pwrite(fd, "HELLO", 5, 100) == 5 && fstat(fd, &st) == 0 && st.st_size == 105 &&
		      pread(fd, buf, 4, 50) == 4 && !memcmp(buf, "\0\0\0\0", 4),
	      "a hole reads as zeros");
	CHECK(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0640 && st.st_nlink == 1, "fstat");
	CHECK(ftruncate(fd, 5) == 0 && pread(fd, buf, 64, 0) == 5, "ftruncate");
	struct iovec iov[2] = {{"ab", 2}, {"cde", 3}};

	CHECK(lseek(fd, 0, SEEK_SET) == 0 && writev(fd, iov, 2) == 5 &&
		      pread(fd, buf, 64, 0) == 5 && !memcmp(buf, "abcde", 5),
	      "writev");
	close(fd);
	fd = open("/tmp/ktap-f", O_WRONLY | O_APPEND);
	CHECK(write(fd, "f", 1) == 1 && fstat(fd, &st) == 0 && st.st_size == 6, "O_APPEND");
	CHECK(read(fd, buf, 1) == -1 && errno == EBADF, "read of O_WRONLY: EBADF");
	close(fd);
	CHECK(close(fd) == -1 && errno == EBADF, "close twice: EBADF");
	CHECK(open("/tmp/none/x", O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
	CHECK(open("/tmp/ktap-f/x", O_RDONLY) == -1 && errno == ENOTDIR, "ENOTDIR");
	CHECK(open("/tmp", O_WRONLY) == -1 && errno == EISDIR, "EISDIR");
	unlink("/tmp/ktap-f");
}

static void test_dup(void)
{
	int p[2], d;
	char c;

	CHECK(pipe(p) == 0, "pipe");
	d = dup(p[1]);
	CHECK(d > p[1] && write(d, "x", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x', "dup");
	CHECK(dup2(p[1], 50) == 50 && write(50, "y", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'y',
	      "dup2");
	CHECK(fcntl(p[1], F_DUPFD, 60) == 60, "F_DUPFD");
	CHECK(dup3(p[1], 61, O_CLOEXEC) == 61 && fcntl(61, F_GETFD) == FD_CLOEXEC,
	      "dup3 O_CLOEXEC");
	CHECK(fcntl(60, F_SETFD, FD_CLOEXEC) == 0 && fcntl(60, F_GETFD) == FD_CLOEXEC, "F_SETFD");
	CHECK((fcntl(p[0], F_GETFL) & O_ACCMODE) == O_RDONLY, "F_GETFL");
	close(d);
	close(50);
	close(60);
	close(61);
	close(p[1]);
	CHECK(read(p[0], &c, 1) == 0, "no writer left: end of file");
	close(p[0]);
}

static int pipe_writer(void *arg)
{
	int fd = *(int *)arg;
	char block[1000];

	for (int i = 0; i < 200; i++) {
		memset(block, i, sizeof(block));
		if (write(fd, block, sizeof(block)) != sizeof(block))
			return 1;
	}
	return 0;
}

static void test_pipe(void)
{
	int p[2], n = 0;
	char buf[4096];
	ssize_t r;
	bool right = true;

	CHECK(pipe2(p, O_NONBLOCK) == 0 && read(p[0], buf, 1) == -1 && errno == EAGAIN,
	      "an empty pipe with O_NONBLOCK: EAGAIN");
	while ((r = write(p[1], buf, sizeof(buf))) > 0)
		n += (int)r;
	CHECK(n == 65536 && errno == EAGAIN, "a pipe holds 64 KiB");
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(p[1], "x", 1) == -1 && errno == EPIPE, "no reader: EPIPE");
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);

	pipe(p);
	pid_t pid = fork();

	if (pid == 0) {
		close(p[0]);
		_exit(pipe_writer(&p[1]));
	}
	close(p[1]);
	for (n = 0; (r = read(p[0], buf, 777)) > 0; n += (int)r) {
		for (int i = 0; i < r; i++)
			right = right && buf[i] == (char)((n + i) / 1000);
	}
	CHECK(n == 200000 && right, "200 kB through a pipe between processes");
	close(p[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void test_poll(void)
{
	int p[2];

	pipe(p);
	struct pollfd f[3] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {99, POLLIN, 0}};

	CHECK(poll(f, 2, 0) == 1 && f[0].revents == 0 && f[1].revents == POLLOUT, "poll a pipe");
	CHECK(poll(f, 1, 20) == 0, "poll runs out of time");
	write(p[1], "x", 1);
	CHECK(poll(f, 3, -1) == 3 && f[0].revents == POLLIN && f[2].revents == POLLNVAL,
	      "poll: POLLIN, POLLNVAL");
	fd_set r;
	struct timeval tv = {0, 20000};

	FD_ZERO(&r);
	FD_SET(p[0], &r);
	CHECK(select(p[0] + 1, &r, NULL, NULL, &tv) == 1 && FD_ISSET(p[0], &r), "select");
	close(p[1]);
	char c;

	read(p[0], &c, 1);
	CHECK(poll(f, 1, -1) == 1 && (f[0].revents & POLLHUP), "poll: POLLHUP");
	close(p[0]);
}

static void test_devices(void)
{
	char buf[32];
	struct stat st;
	int fd = open("/dev/zero", O_RDWR);

	memset(buf, 1, sizeof(buf));
	CHECK(read(fd, buf, 32) == 32 && buf[0] == 0 && buf[31] == 0, "/dev/zero");
	CHECK(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x105,
	      "it is device 1:5");
	close(fd);
	fd = open("/dev/full", O_RDWR);
	CHECK(write(fd, buf, 1) == -1 && errno == ENOSPC, "/dev/full: ENOSPC");
	close(fd);
	fd = open("/dev/null", O_RDWR);
	CHECK(write(fd, buf, 32) == 32 && read(fd, buf, 32) == 0, "/dev/null");
	CHECK(ioctl(fd, TIOCGWINSZ, buf) == -1 && errno == ENOTTY, "it is no tty");
	close(fd);
	char a[16] = {0}, b[16] = {0};

	CHECK(getrandom(a, 16, 0) == 16 && getrandom(b, 16, 0) == 16 && memcmp(a, b, 16),
	      "getrandom");
	fd = open("/dev/urandom", O_RDONLY);
	CHECK(read(fd, b, 16) == 16 && memcmp(a, b, 16), "/dev/urandom");
	close(fd);
}

void basic_files(void)
{
	test_file();
	test_dup();
	test_pipe();
	test_poll();
	test_devices();
}
