/* SPDX-License-Identifier: MIT */
/*
 * The supervisor. From the environment, which is the kernel's command line: FUZZ_SEED, FUZZ_FIRST,
 * FUZZ_COUNT, FUZZ_WORKERS, FUZZ_VERBOSE. Prints where it is now and then, so that a kernel that
 * stops can be asked again with less.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tests/ktap.h"
#include "fuzz.h"

enum { POLL_US = 20000, HANG_POLLS = 50, LOOK_POLLS = 100 };

static struct shared *shared;
static struct job job[WORKERS_MAX];
static pid_t pids[WORKERS_MAX];
static unsigned deaths, hangs, looks, bad_looks;

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static pid_t start(unsigned w)
{
	pid_t pid = fork();

	if (pid == 0)
		worker_run(&job[w]);
	return pid;
}

/* Whether /proc/kaiser still says what it should; true where there is no such file. */
static bool verdict_ok(void)
{
	char text[8192];
	FILE *f = fopen("/proc/kaiser", "r");
	size_t n;

	if (!f)
		return true;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	return strstr(text, "verdict:\tisolated") ||
	       strstr(text, "verdict:\tnot isolated, as asked");
}

static void look(void)
{
	looks++;
	if (!verdict_ok())
		bad_looks++;
}

/* A worker that ended goes on behind the sequence that ended it. True: it has more to do. */
static bool reap(unsigned w, int status)
{
	uint64_t at = shared->worker[w].index;

	(void)status;
	if (shared->worker[w].unfit) {
		ktap_note("worker %u cannot start", w);
		return false;
	}
	if (at == UINT64_MAX || at + job[w].step >= job[w].end) {
		shared->worker[w].done =
			(job[w].end - job[w].origin + job[w].step - 1) / job[w].step;
		return false;
	}
	deaths++;
	job[w].first = at + job[w].step;
	shared->worker[w].done = (job[w].first - job[w].origin) / job[w].step;
	pids[w] = start(w);
	return true;
}

static uint64_t total(void)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < WORKERS_MAX; w++)
		n += shared->worker[w].done;
	return n;
}

static void supervise(unsigned workers)
{
	uint64_t last[WORKERS_MAX] = {0}, told = 0;
	unsigned stuck[WORKERS_MAX] = {0}, alive = workers;

	for (unsigned poll = 0; alive > 0; poll++) {
		int status;
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			for (unsigned w = 0; w < workers; w++)
				if (pids[w] == pid && !reap(w, status))
					alive--, pids[w] = 0;
		for (unsigned w = 0; w < workers; w++) {
			uint64_t at = shared->worker[w].index;

			stuck[w] = at == last[w] ? stuck[w] + 1 : 0;
			last[w] = at;
			if (stuck[w] >= HANG_POLLS && pids[w]) {
				hangs++;
				stuck[w] = 0;
				kill(pids[w], SIGKILL);
			}
		}
		if (poll % LOOK_POLLS == 0)
			look();
		if (total() - told >= 50000) {
			told = total();
			ktap_note("%lu sequences, at %lu", (unsigned long)told,
				  (unsigned long)last[0]);
		}
		usleep(POLL_US);
	}
}

static void report(uint64_t count)
{
	uint64_t signals[NSIGNALS] = {0}, stops = 0, ends = 0, rounds = shared->canary_rounds;
	static const struct {
		int sig;
		const char *name;
	} names[] = {{SIGSEGV, "SIGSEGV"}, {SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"},
		     {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"}, {SIGALRM, "SIGALRM"},
		     {SIGUSR1, "SIGUSR1"}, {SIGSYS, "SIGSYS"}};

	for (unsigned w = 0; w < WORKERS_MAX; w++) {
		for (unsigned s = 0; s < NSIGNALS; s++)
			signals[s] += shared->worker[w].signals[s];
		stops += shared->worker[w].traced_stops;
		ends += shared->worker[w].traced_deaths;
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ktap_note("%s: %lu", names[i].name, (unsigned long)signals[names[i].sig]);
	ktap_note("traced: %lu stops, %lu ends; workers: %u died, %u hung", (unsigned long)stops,
		  (unsigned long)ends, deaths, hangs);
	ktap_ok(total() >= count && count > 0, "%lu sequences", (unsigned long)total());
	ktap_ok(signals[SIGSEGV] > 0 && signals[SIGILL] > 0 && signals[SIGTRAP] > 0 && stops > 0,
		"they came to the kernel by every door");
	ktap_ok(shared->canary_bad == 0 && rounds > 0, "canaries: %lu rounds, %lu bad",
		(unsigned long)rounds, (unsigned long)shared->canary_bad);
	ktap_ok(bad_looks == 0, "the isolation report, %u times", looks);
}

int main(void)
{
	uint64_t seed = number("FUZZ_SEED", 1), first = number("FUZZ_FIRST", 0);
	uint64_t count = number("FUZZ_COUNT", 20000);
	unsigned workers = (unsigned)number("FUZZ_WORKERS", 2);

	if (workers < 1 || workers > WORKERS_MAX)
		workers = 1;
	ktap_start();
	ktap_note("seed %lu, sequences [%lu, %lu), %u workers", (unsigned long)seed,
		  (unsigned long)first, (unsigned long)(first + count), workers);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	for (unsigned i = 0; i < 2; i++)
		if (fork() == 0)
			canary_run(shared);
	for (unsigned w = 0; w < workers; w++) {
		job[w] = (struct job){.shared = shared,
				      .worker = w,
				      .step = workers,
				      .seed = seed,
				      .origin = first + w,
				      .first = first + w,
				      .end = first + count,
				      .verbose = number("FUZZ_VERBOSE", 0) != 0};
		pids[w] = start(w);
	}
	supervise(workers);
	look();
	report(count);
	return ktap_end();
}
