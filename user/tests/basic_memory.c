/* SPDX-License-Identifier: MIT */
/* mmap, mprotect, copy on write, brk, mremap, madvise. */
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

#define PAGE 4096u
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf back;
static volatile uintptr_t fault_addr;
static volatile int fault_code;

static void on_segv(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	fault_addr = (uintptr_t)info->si_addr;
	fault_code = info->si_code;
	siglongjmp(back, sig);
}

/* The signal that a read or a write of one byte raises; 0 if none. */
static int probe(volatile uint8_t *p, bool write)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO}, s, b;

	sigaction(SIGSEGV, &sa, &s);
	sigaction(SIGBUS, &sa, &b);
	int sig = sigsetjmp(back, 1);

	if (!sig) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	sigaction(SIGSEGV, &s, NULL);
	sigaction(SIGBUS, &b, NULL);
	return sig;
}

static void test_map(void)
{
	uint8_t *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
	bool zero = true;

	CHECK(p != MAP_FAILED && ((uintptr_t)p & (PAGE - 1)) == 0, "mmap anonymous memory");
	for (unsigned i = 0; i < 16 * PAGE; i++)
		zero = zero && p[i] == 0;
	CHECK(zero, "it is zero");
	memset(p, 0xa5, 16 * PAGE);
	CHECK(munmap(p + 4 * PAGE, 4 * PAGE) == 0, "munmap the middle");
	CHECK(p[4 * PAGE - 1] == 0xa5 && p[8 * PAGE] == 0xa5, "both sides stay");
	CHECK(probe(p + 4 * PAGE, false) == SIGSEGV && fault_code == SEGV_MAPERR &&
		      fault_addr == (uintptr_t)p + 4 * PAGE,
	      "the hole faults: SEGV_MAPERR with the address");
	void *q = mmap(p + 5 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);

	CHECK(q == p + 5 * PAGE && p[5 * PAGE] == 0, "MAP_FIXED into the hole");
	CHECK(mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
		      errno == EEXIST,
	      "MAP_FIXED_NOREPLACE over a mapping: EEXIST");
	CHECK(mmap(NULL, 0, PROT_READ, ANON, -1, 0) == MAP_FAILED && errno == EINVAL,
	      "a length of 0: EINVAL");
	CHECK(mmap(NULL, 1ul << 50, PROT_READ, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM,
	      "a length beyond all: ENOMEM");
	CHECK(munmap(p + 1, PAGE) == -1 && errno == EINVAL, "munmap unaligned: EINVAL");
	munmap(p, 16 * PAGE);
}

static void test_protect(void)
{
	uint8_t *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);

	p[PAGE] = 7;
	CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0, "mprotect a page of three");
	CHECK(probe(p + PAGE, true) == SIGSEGV && fault_code == SEGV_ACCERR && p[PAGE] == 7,
	      "a write faults: SEGV_ACCERR");
	CHECK(probe(p, true) == 0 && probe(p + 2 * PAGE, true) == 0, "its neighbours take writes");
	CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0 && probe(p + PAGE, false) == SIGSEGV,
	      "PROT_NONE: a read faults");
	CHECK(mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE) == 0 && p[PAGE] == 7 &&
		      probe(p + PAGE, true) == 0,
	      "back again, with what it held");
	CHECK(mprotect((void *)0x10000, PAGE, PROT_READ) == -1 && errno == ENOMEM,
	      "mprotect nothing: ENOMEM");
	munmap(p, 3 * PAGE);
}

#define MANY 3000u /* pages: tables that go whole, and parts of tables at both ends */

/* Pages of [0, MANY) that do not hold what they should: 0 where `gone` says so, their tag
 * elsewhere. */
static unsigned strange_pages(const uint8_t *p, const uint8_t *gone)
{
	unsigned strange = 0;

	for (unsigned i = 0; i < MANY; i++)
		strange += *(const uint32_t *)(p + i * (size_t)PAGE) != (gone[i] ? 0 : i + 1);
	return strange;
}

/* Large ranges of every kind go and come back as zeroes; what lies beside them stays. */
static void test_unmap_many(void)
{
	static const struct {
		unsigned first, pages;
	} part[] = {{7, 1}, {40, 33}, {100, 513}, {700, 1024}, {1800, 64}, {1870, 65}, {2000, 900}};
	static uint8_t gone[MANY];

	for (int how = 0; how < 3; how++) {
		uint8_t *p = mmap(NULL, MANY * (size_t)PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
		bool ok = p != MAP_FAILED;

		memset(gone, 0, sizeof(gone));
		for (unsigned i = 0; ok && i < MANY; i++)
			*(uint32_t *)(p + i * (size_t)PAGE) = i + 1;
		if (ok && how == 2) /* the middle of it lies in the stash */
			ok = mprotect(p + 500 * PAGE, 1000 * PAGE, PROT_NONE) == 0;
		for (unsigned k = 0; ok && k < sizeof(part) / sizeof(part[0]); k++) {
			uint8_t *at = p + part[k].first * (size_t)PAGE;
			size_t len = part[k].pages * (size_t)PAGE;

			if (how == 1)
				ok = madvise(at, len, MADV_DONTNEED) == 0;
			else
				ok = munmap(at, len) == 0 && probe(at, false) == SIGSEGV &&
				     probe(at + len - 1, true) == SIGSEGV &&
				     mmap(at, len, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1,
					  0) == at;
			memset(gone + part[k].first, 1, part[k].pages);
		}
		if (ok && how == 2)
			ok = mprotect(p + 500 * PAGE, 1000 * PAGE, PROT_READ | PROT_WRITE) == 0;
		ktap_ok(ok && strange_pages(p, gone) == 0, "parts of %u pages go by %s", MANY,
			how == 0   ? "munmap"
			: how == 1 ? "MADV_DONTNEED"
				   : "munmap, partly PROT_NONE");
		munmap(p, MANY * (size_t)PAGE);
	}
}

static int scribble(void *arg)
{
	uint8_t *p = arg;

	for (unsigned i = 0; i < 64; i++) {
		if (p[i * PAGE] != (uint8_t)i)
			return 1;
		p[i * PAGE] = 0xff;
	}
	return 0;
}

static void test_cow(void)
{
	uint8_t *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
	uint8_t *s =
		mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool kept = true, shared = true;

	for (unsigned i = 0; i < 64; i++)
		p[i * PAGE] = s[i * PAGE] = (uint8_t)i;
	CHECK(ktap_child(scribble, p) == 0, "a child sees its parent's memory");
	CHECK(ktap_child(scribble, s) == 0, "and shared memory");
	for (unsigned i = 0; i < 64; i++) {
		kept = kept && p[i * PAGE] == (uint8_t)i;
		shared = shared && s[i * PAGE] == 0xff;
	}
	CHECK(kept, "its writes to private memory stay its own");
	CHECK(shared, "its writes to shared memory are seen");
	munmap(p, 64 * PAGE);
	munmap(s, 64 * PAGE);
}

static void test_brk(void)
{
	uint8_t *start = (uint8_t *)syscall(SYS_brk, 0);
	uint8_t *end = (uint8_t *)syscall(SYS_brk, start + 10 * PAGE);

	CHECK(end == start + 10 * PAGE, "brk grows");
	memset(start, 1, 10 * PAGE);
	CHECK((uint8_t *)syscall(SYS_brk, start + PAGE) == start + PAGE, "brk shrinks");
	CHECK((uint8_t *)syscall(SYS_brk, start + 2 * PAGE) == start + 2 * PAGE &&
		      start[PAGE + PAGE / 2] == 0,
	      "what was given back comes back as zeros");
	CHECK((uint8_t *)syscall(SYS_brk, 0xffff800000000000ul) == start + 2 * PAGE,
	      "brk into the kernel changes nothing");
	syscall(SYS_brk, start);
}

static void test_mremap(void)
{
	uint8_t *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);

	memset(p, 0x3c, 4 * PAGE);
	uint8_t *q = mremap(p, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE);

	CHECK(q != MAP_FAILED && q[0] == 0x3c && q[4 * PAGE - 1] == 0x3c && q[4 * PAGE] == 0,
	      "mremap grows, with what it held");
	CHECK(mremap(q, 40 * PAGE, 2 * PAGE, 0) == q && q[2 * PAGE - 1] == 0x3c &&
		      probe(q + 2 * PAGE, false) == SIGSEGV,
	      "mremap shrinks");
	munmap(q, 2 * PAGE);
}

static void test_file_map(void)
{
	int fd = open("/tmp/ktap-map", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char c = 0;

	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0 && pwrite(fd, "file", 4, PAGE) == 4,
	      "a file of two pages");
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED && !memcmp(p + PAGE, "file", 4), "a private map shows it");
	p[PAGE] = 'F';
	CHECK(pread(fd, &c, 1, PAGE) == 1 && c == 'f', "a write to it stays out of the file");
	CHECK(probe((uint8_t *)p + 3 * PAGE, false) == SIGBUS, "beyond the file: SIGBUS");
	munmap(p, 4 * PAGE);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		p[0] = 'S';
		CHECK(pread(fd, &c, 1, 0) == 1 && c == 'S', "a shared map writes to it");
		munmap(p, PAGE);
	} else {
		CHECK(false, "a shared map of a file");
	}
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF,
	      "a bad descriptor: EBADF");
	close(fd);
	unlink("/tmp/ktap-map");
}

void basic_memory(void)
{
	test_map();
	test_unmap_many();
	test_protect();
	test_cow();
	test_brk();
	test_mremap();
	test_file_map();
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);

	p[0] = 9;
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && p[0] == 0, "MADV_DONTNEED forgets");
	munmap(p, PAGE);
	volatile uint8_t deep[300 * 1024];

	for (unsigned i = sizeof(deep); i >= PAGE; i -= PAGE)
		deep[i - 1] = (uint8_t)i;
	CHECK(deep[sizeof(deep) - 1] == (uint8_t)sizeof(deep), "the stack grows on demand");
}
