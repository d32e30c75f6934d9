/* SPDX-License-Identifier: MIT */
/* Files that are in use while something happens to them: mapped, run, shared. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

#define PAGE      4096u
#define FILE_NAME "/tmp/ktap-cut"
#define COPY_NAME "/tmp/ktap-busy"

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* What a read of *p raises, or what it holds. */
static int probe(volatile uint8_t *p)
{
	void (*segv)(int) = signal(SIGSEGV, on_fault), (*bus)(int) = signal(SIGBUS, on_fault);
	int sig = sigsetjmp(back, 1), seen = 0;

	if (!sig)
		seen = *p;
	signal(SIGSEGV, segv);
	signal(SIGBUS, bus);
	return sig ? -sig : seen;
}

/* Touches a page, says so, and waits for the file to be cut before it does so again. */
static int other_process(volatile uint8_t *p, int say, int hear)
{
	char c = 'x';

	if (probe(p) != 'd' || write(say, &c, 1) != 1 || read(hear, &c, 1) != 0)
		return 1;
	return -probe(p);
}

static void test_cut(void)
{
	static uint8_t text[4 * PAGE];
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), up[2], down[2], status = 0;
	char c;

	for (unsigned i = 0; i < 4; i++)
		memset(text + i * PAGE, 'a' + (int)i, PAGE);
	CHECK(write(fd, text, sizeof(text)) == sizeof(text), "a file of four pages");
	uint8_t *s = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint8_t *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	uint8_t *late = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	bool all = true;

	for (unsigned i = 0; i < 4; i++)
		all = all && s[i * PAGE] == 'a' + i && p[i * PAGE] == 'a' + i;
	CHECK(all && late[0] == 'c', "mapped three times");
	p[3 * PAGE] = p[0] = 'P'; /* copies of its own */
	pipe(up);
	pipe(down);
	pid_t pid = fork();

	if (pid == 0) {
		close(down[1]);
		_exit(other_process(s + 3 * PAGE, up[1], down[0]));
	}
	CHECK(read(up[0], &c, 1) == 1 && ftruncate(fd, PAGE + 100) == 0, "cut to a page and a bit");
	close(down[1]);
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == SIGBUS,
	      "SIGBUS where another process had a page (%s)", ktap_status(status));
	CHECK(probe(s) == 'a' && probe(s + PAGE) == 'b' && probe(s + PAGE + 100) == 0,
	      "what is left is there, and zeros to the end of the page");
	CHECK(probe(s + 2 * PAGE) == -SIGBUS && probe(s + 3 * PAGE) == -SIGBUS, "the rest: SIGBUS");
	CHECK(probe(late) == -SIGBUS && probe(late + PAGE) == -SIGBUS,
	      "also in a map that began later in the file");
	CHECK(probe(p) == 'P' && probe(p + 2 * PAGE) == -SIGBUS && probe(p + 3 * PAGE) == -SIGBUS,
	      "private copies beyond the end go too");
	CHECK(read(fd, &c, 1) == 0 && pread(fd, &c, 1, 0) == 1, "reads agree");
	CHECK(ftruncate(fd, 4 * PAGE) == 0 && probe(s + 3 * PAGE) == 0 &&
		      probe(p + 3 * PAGE) == 0 && probe(late) == 0,
	      "longer again: zeros");
	int again = open(FILE_NAME, O_RDWR | O_TRUNC);

	CHECK(again >= 0 && probe(s) == -SIGBUS && probe(p) == -SIGBUS, "O_TRUNC cuts as well");
	munmap(s, 4 * PAGE);
	munmap(p, 4 * PAGE);
	munmap(late, 2 * PAGE);
	close(again);
	close(fd);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	unlink(FILE_NAME);
}

/* Threads of control that map, fork and touch while the file is cut and grown. */
static int toucher(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 60; i++) {
		uint8_t *s = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		uint8_t *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

		if (s == MAP_FAILED || p == MAP_FAILED)
			return 1;
		for (unsigned k = 0; k < 8; k++) {
			int a = probe(s + k * PAGE), b = probe(p + k * PAGE);

			if ((a < 0 && a != -SIGBUS) || (b < 0 && b != -SIGBUS))
				return 2;
		}
		pid_t pid = i % 8 ? 0 : fork();

		if (i % 8 == 0 && pid == 0) {
			for (unsigned k = 0; k < 8; k++)
				probe(p + k * PAGE);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		munmap(s, 8 * PAGE);
		munmap(p, 8 * PAGE);
	}
	return 0;
}

static void test_cut_race(void)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), status, running = 3;
	bool ok = true;

	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			alarm(30);
			_exit(toucher(&fd));
		}
	}
	while (running > 0) {
		ok = ok && ftruncate(fd, 8 * PAGE) == 0 && pwrite(fd, "x", 1, 7 * PAGE) == 1 &&
		     ftruncate(fd, 3 * PAGE + 1) == 0 && ftruncate(fd, 0) == 0;
		while (waitpid(-1, &status, WNOHANG) > 0) {
			ok = ok && status == 0;
			running--;
		}
	}
	CHECK(ok, "cut while others map, fork and touch it");
	close(fd);
	unlink(FILE_NAME);
}

static int copy_self(void)
{
	char buf[4096];
	int in = open("/proc/self/exe", O_RDONLY);
	int out = open(COPY_NAME, O_CREAT | O_WRONLY | O_TRUNC, 0700);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			n = -1;
	close(in);
	return n == 0 ? out : -1;
}

static int exec_copy(void *arg)
{
	execl(COPY_NAME, "copy", "exec", arg, NULL);
	return errno;
}

static void test_busy(void)
{
	int out = copy_self(), p[2], up[2], status = 0;
	char c;

	CHECK(out >= 0 && ktap_child(exec_copy, "an argument") == ETXTBSY << 8,
	      "a program that is being written does not start");
	close(out);
	pipe(p);
	pipe2(up, O_CLOEXEC);
	pid_t pid = fork();

	if (pid == 0) {
		close(p[1]);
		dup2(p[0], 0);
		exec_copy("wait");
		_exit(1);
	}
	close(p[0]);
	close(up[1]);
	CHECK(read(up[0], &c, 1) == 0, "a copy of this program runs");
	close(up[0]);
	CHECK(open(COPY_NAME, O_WRONLY) == -1 && errno == ETXTBSY, "open for writing: ETXTBSY");
	CHECK(open(COPY_NAME, O_RDONLY | O_TRUNC) == -1 && errno == ETXTBSY, "O_TRUNC: ETXTBSY");
	CHECK(truncate(COPY_NAME, 0) == -1 && errno == ETXTBSY, "truncate: ETXTBSY");
	out = open(COPY_NAME, O_RDONLY);
	CHECK(out >= 0 && read(out, &c, 1) == 1, "but it can be read");
	close(out);
	close(p[1]);
	waitpid(pid, &status, 0);
	CHECK(status == 0, "it goes on undisturbed (%s)", ktap_status(status));
	out = open(COPY_NAME, O_WRONLY | O_TRUNC);
	CHECK(out >= 0, "and when it has ended can be written");
	close(out);
	unlink(COPY_NAME);
}

/* What a process does to its files once it runs another program is its own business. */
static void test_unshare(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), status = 0;
	pid_t pid = (pid_t)syscall(SYS_clone, 0x400 | SIGCHLD, 0, 0, 0, 0); /* CLONE_FILES */

	if (pid == 0) {
		dup2(fd, 99);
		execl("/proc/self/exe", "self", "exec", "an argument", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	CHECK(WEXITSTATUS(status) == 42, "exec with a shared table of files");
	CHECK(fcntl(99, F_GETFD) == 0, "what it opened before is shared");
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "what exec closes is closed for it alone");
	close(99);
	close(fd);
}

void basic_mapped(void)
{
	test_cut();
	test_cut_race();
	test_busy();
	test_unshare();
}
