/* SPDX-License-Identifier: MIT */
/* Clocks and sleeping. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

static double clock_now(clockid_t id)
{
	struct timespec t = {0, 0};

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void basic_time(void)
{
	struct timespec t = {0, 30000000}, res, bad = {0, 1000000000};
	struct sysinfo si;
	double start = clock_now(CLOCK_MONOTONIC), last = start, used;
	bool forward = true;

	for (int i = 0; i < 20000; i++) {
		double now = clock_now(CLOCK_MONOTONIC);

		forward = forward && now >= last;
		last = now;
	}
	CHECK(forward, "CLOCK_MONOTONIC never goes back");
	start = clock_now(CLOCK_MONOTONIC);
	CHECK(nanosleep(&t, NULL) == 0, "nanosleep");
	last = clock_now(CLOCK_MONOTONIC) - start;
	CHECK(last >= 0.03 && last < 2, "30 ms took 30 ms or more");
	CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL, "nanosleep of 10^9 ns: EINVAL");
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0 &&
		      clock_now(CLOCK_MONOTONIC) >= (double)t.tv_sec + (double)t.tv_nsec * 1e-9,
	      "clock_nanosleep until");
	struct timeval tv;

	gettimeofday(&tv, NULL);
	used = clock_now(CLOCK_REALTIME) - (double)tv.tv_sec - (double)tv.tv_usec * 1e-6;
	CHECK(used > -0.1 && used < 2 && time(NULL) >= tv.tv_sec, "three ways to the time of day");
	CHECK(clock_getres(CLOCK_MONOTONIC, &res) == 0 && res.tv_sec == 0 && res.tv_nsec > 0,
	      "clock_getres");
	CHECK(clock_gettime(99, &t) == -1 && errno == EINVAL, "clock 99: EINVAL");
	start = clock_now(CLOCK_PROCESS_CPUTIME_ID);
	last = clock_now(CLOCK_MONOTONIC);
	while (clock_now(CLOCK_MONOTONIC) < last + 0.1)
		;
	used = clock_now(CLOCK_PROCESS_CPUTIME_ID) - start;
	CHECK(used > 0.001 && used < 5, "CLOCK_PROCESS_CPUTIME_ID counts work");
	CHECK(times(NULL) != (clock_t)-1, "times");
	CHECK(sysinfo(&si) == 0 && si.totalram > 0 && si.procs > 0, "sysinfo");
}
