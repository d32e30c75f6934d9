/* SPDX-License-Identifier: MIT */
/* Bad pointers, to system calls and to plain loads, stores and jumps. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"
#include "ktap.h"

#define PAGE 4096u

static int pipe_fd[2];

/* Calls whose one pointer is argument `arg`; the others are as given. A kernel that checks the
 * pointer too late, or not at all, answers something else than EFAULT. */
static const struct {
	const char *name;
	long nr;
	int arg;
	long args[4];
} calls[] = {
	{"read", SYS_read, 1, {-1, 0, 16}},
	{"write", SYS_write, 1, {-2, 0, 16}},
	{"open", SYS_open, 0, {0, O_RDONLY}},
	{"stat", SYS_stat, 0, {0, 0}},
	{"pipe", SYS_pipe, 0, {0}},
	{"uname", SYS_uname, 0, {0}},
	{"nanosleep", SYS_nanosleep, 0, {0, 0}},
	{"clock_gettime", SYS_clock_gettime, 1, {1, 0}},
	{"gettimeofday", SYS_gettimeofday, 0, {0, 0}},
	{"rt_sigaction", SYS_rt_sigaction, 1, {SIGUSR1, 0, 0, 8}},
	{"rt_sigprocmask", SYS_rt_sigprocmask, 1, {0, 0, 0, 8}},
	{"sigaltstack", SYS_sigaltstack, 0, {0, 0}},
	{"getrusage", SYS_getrusage, 1, {0, 0}},
	{"setrlimit", SYS_setrlimit, 1, {7, 0}},
	{"sysinfo", SYS_sysinfo, 0, {0}},
	{"poll", SYS_poll, 0, {0, 2, 0}},
	{"writev", SYS_writev, 1, {-2, 0, 1}},
	{"futex", SYS_futex, 0, {0, 0, 0, 0}},
	{"execve", SYS_execve, 0, {0, 0, 0}},
	{"chdir", SYS_chdir, 0, {0}},
	{"mkdir", SYS_mkdir, 0, {0, 0755}},
	{"getrandom", SYS_getrandom, 0, {0, 16, 0}},
	{"getdents64", SYS_getdents64, 1, {-3, 0, 512}},
	{"statfs", SYS_statfs, 0, {0, 0}},
	{"getitimer", SYS_getitimer, 1, {0, 0}},
	{"sched_getaffinity", SYS_sched_getaffinity, 2, {0, 128, 0}},
};

static void test_syscalls(void)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY);

	if (pipe(pipe_fd) || dir < 0)
		return;
	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		uint64_t wrong = 0;
		long r = 0;

		for (unsigned i = 0; i < BAD_ADDRS; i++) {
			long a[4];

			memcpy(a, calls[c].args, sizeof(a));
			if (calls[c].arg == 1 && a[0] < 0)
				a[0] = a[0] == -1 ? pipe_fd[0] : a[0] == -2 ? pipe_fd[1] : dir;
			a[calls[c].arg] = (long)bad_addrs[i];
			if (calls[c].nr == SYS_read)
				write(pipe_fd[1], "0123456789abcdef", 16);
			errno = 0;
			r = syscall(calls[c].nr, a[0], a[1], a[2], a[3]);
			/* futex: an odd address is EINVAL first; linux maps 0xffffffffff600000. */
			if (r == -1 && (errno == EFAULT || (calls[c].nr == SYS_futex)))
				continue;
			if (bad_addrs[i] == 0xffffffffff600000)
				continue;
			wrong = bad_addrs[i];
			break;
		}
		if (!ktap_ok(wrong == 0, "%s with bad pointers", calls[c].name))
			ktap_note("%#lx: %ld, errno %d", wrong, r, errno);
	}
	close(dir);
}

/* The last 2 GiB hold the image and the window, wherever they are: every 2 MiB, and 64 KiB. */
static int sweep(void *arg)
{
	bool write_too = arg != NULL;

	for (uint64_t a = 0xffffffff80000000; a >= 0xffffffff80000000; a += 0x10000) {
		if ((a >> 12 & 0xfffff) == 0xff600)
			continue;
		if (write_too) {
			if (write(pipe_fd[1], (void *)a, 8) != -1 || errno != EFAULT)
				return 1;
		} else if (syscall(SYS_uname, a) != -1 || errno != EFAULT) {
			return 1;
		}
	}
	return 0;
}

static void test_edges(void)
{
	uint8_t *p =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char junk[4096];
	int fd[2];

	pipe(fd);
	munmap(p + PAGE, PAGE);
	ssize_t n = write(fd[1], p + PAGE - 10, 20);

	CHECK((n == -1 && errno == EFAULT) || n == 10, "a buffer that ends in a hole, written");
	if (n != 10)
		write(fd[1], junk, 10);
	write(fd[1], junk, 100);
	n = read(fd[0], p + PAGE - 10, 20);
	CHECK((n == -1 && errno == EFAULT) || n == 10, "a buffer that ends in a hole, read");
	CHECK(write(fd[1], p, ~0ul >> 1) != 0, "a length beyond all");
	memset(p, 'x', PAGE);
	CHECK(open((char *)p + PAGE - 8, O_RDONLY) == -1 && errno == EFAULT,
	      "a path that runs into a hole: EFAULT");
	memset(junk, 'y', sizeof(junk));
	junk[4095] = 0;
	CHECK(open(junk, O_RDONLY) == -1 && errno == ENAMETOOLONG, "a name too long: ENAMETOOLONG");
	mprotect(p, PAGE, PROT_READ);
	CHECK(syscall(SYS_uname, p) == -1 && errno == EFAULT, "a result into read-only memory");
	close(fd[0]);
	close(fd[1]);
}

static void test_maps(void)
{
	bool ok = true;

	for (unsigned i = 0; i < BAD_ADDRS; i++) {
		void *a = (void *)(bad_addrs[i] & ~0xffful);

		if (bad_addrs[i] < 1ul << 56) /* user space, with five levels */
			continue;
		ok = ok && mmap(a, PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED;
		ok = ok && munmap(a, PAGE) == -1;
		if (((uintptr_t)a & ~0xfffful) != 0xffffffffff600000)
			ok = ok && mprotect(a, PAGE, PROT_READ) == -1;
		madvise(a, PAGE, MADV_DONTNEED);
	}
	ktap_ok(ok, "mmap, munmap, mprotect outside of user space");
	CHECK(munmap((void *)PAGE, ~0xffful) == -1 && errno == EINVAL, "munmap of everything");
}

static uint64_t bad;

static void on_segv(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	/* A non-canonical address raises #GP, which tells none; which they are, the levels say. */
	bool four = (int64_t)(bad << 16) >> 16 == (int64_t)bad;
	bool five = (int64_t)(bad << 7) >> 7 == (int64_t)bad;
	uint64_t told = (uint64_t)(uintptr_t)info->si_addr;

	_exit(sig == SIGSEGV && ((told == bad && five) || (told == 0 && !four)) ? 0 : 1);
}

static void arm(void)
{
	static char stack[16384];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static int load(void *arg)
{
	bad = *(uint64_t *)arg;
	arm();
	(void)*(volatile char *)bad;
	return 2;
}

static int store(void *arg)
{
	bad = *(uint64_t *)arg;
	arm();
	*(volatile char *)bad = 1;
	return 2;
}

static int jump(void *arg)
{
	bad = *(uint64_t *)arg;
	arm();
	__asm__ volatile("jmp *%0" : : "r"(bad));
	return 2;
}

static int bad_stack(void *arg)
{
	bad = *(uint64_t *)arg;
	arm();
	__asm__ volatile("mov %0, %%rsp; push %%rax" : : "r"(bad) : "memory");
	return 2;
}

static void test_accesses(void)
{
	static const struct {
		const char *name;
		int (*fn)(void *);
	} kinds[] = {{"load", load}, {"store", store}, {"jump", jump}};

	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < BAD_ADDRS; i++) {
			uint64_t a = bad_addrs[i];
			int status;

			if (a >> 12 == 0xffffffffff600) /* Linux answers there */
				continue;
			if ((int64_t)(a << 16) >> 16 != (int64_t)a && kinds[k].fn == jump) {
				/* Where the fault of such a jump is taken differs by maker. */
				status = ktap_child(jump, &a);
				ktap_ok(status == 0 || status == 256, "jump to %#lx", a);
				continue;
			}
			status = ktap_child(kinds[k].fn, &a);
			if (!ktap_ok(status == 0, "%s at %#lx", kinds[k].name, a))
				ktap_note("%s", ktap_status(status));
		}
	}
	/* PUSH at a non-canonical address is #SS: SIGBUS, which the handler takes too. */
	for (unsigned i = 2; i < BAD_ADDRS; i++) {
		uint64_t a = bad_addrs[i];
		int status = ktap_child(bad_stack, &a);

		if (!ktap_ok(WIFEXITED(status) && WEXITSTATUS(status) < 2, "stack at %#lx", a))
			ktap_note("%s", ktap_status(status));
	}
}

/* Every call with nothing but bad pointers and small numbers. Left out: what ends, stops or sends
 * something to others than this child, and what has effects without a pointer. */
static int fuzz(void *arg)
{
	static const short skip[] = {13,  15,  29,  30,  31,  34,  56,  57,  58,  60,  62,  64,
				     65,  66,  67,  68,  69,  70,  71,  101, 103, 109, 112, 130,
				     141, 142, 144, 153, 154, 156, 169, 172, 173, 200, 203, 231,
				     234, 251, 314, 321, 322, 323, 335, 424, 435, 444, 445, 446};
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGALRM, SIG_DFL);
	for (int i = 0; i < 64; i++)
		close(i);
	for (int nr = 0; nr < 470; nr++) {
		long a[6];
		bool left_out = nr >= 335 && nr < 424;

		for (unsigned i = 0; i < sizeof(skip) / sizeof(skip[0]); i++)
			left_out = left_out || skip[i] == nr;
		if (left_out)
			continue;
		for (int i = 0; i < 6; i++) {
			seed = seed * 1103515245 + 12345;
			a[i] = (long)bad_addrs[(seed >> 16) % BAD_ADDRS];
		}
		/* A call that waits is left by the alarm, which then ends the child: no harm. */
		alarm(1);
		syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	return 0;
}

void hostile_pointers(void)
{
	test_syscalls();
	CHECK(ktap_child(sweep, NULL) == 0, "results to each 64 KiB of the last 2 GiB: EFAULT");
	CHECK(ktap_child(sweep, "w") == 0, "data from each 64 KiB of the last 2 GiB: EFAULT");
	test_edges();
	test_maps();
	test_accesses();
	for (uintptr_t i = 1; i <= 5; i++) {
		int status = ktap_child(fuzz, (void *)i);

		ktap_ok(WIFEXITED(status) || WIFSIGNALED(status),
			"all calls with rubbish, round %d (%s)", (int)i, ktap_status(status));
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}
