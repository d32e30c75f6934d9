/* SPDX-License-Identifier: MIT */
/* Pipes within one process, page faults, mappings. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define PAGE      4096u
#define FAULTS    1024u /* pages there are to be touched */
#define BIG       65536
#define MAX_OTHER 64

static int ends[2];
static char big[BIG];

static bool prepare_pipe(void)
{
	return pipe(ends) == 0;
}

static void run_pipe_1(void)
{
	if (write(ends[1], big, 1) != 1 || read(ends[0], big, 1) != 1)
		die("pipe");
}

static void run_pipe_64k(void)
{
	if (write(ends[1], big, BIG) != BIG || read(ends[0], big, BIG) != BIG)
		die("pipe");
}

static void finish_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

static volatile char *area;
static unsigned touched;
static int file = -1;

static bool prepare_anon(void)
{
	area = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	touched = 0;
	return area != MAP_FAILED;
}

static void run_touch(void)
{
	area[touched++ * PAGE] = 1;
}

static bool prepare_file(void)
{
	file = open("/bench.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		die("/bench.data");
	for (unsigned i = 0; i < FAULTS; i += BIG / PAGE)
		if (write(file, big, BIG) != BIG)
			die("/bench.data");
	area = mmap(NULL, FAULTS * PAGE, PROT_READ, MAP_SHARED, file, 0);
	touched = 0;
	return area != MAP_FAILED;
}

/* Every 32nd page: Linux maps the 16 pages around a fault with it. */
static void run_look(void)
{
	(void)area[touched * PAGE];
	touched += 32;
}

static void after_look(void)
{
	if (touched >= FAULTS) {
		munmap((void *)(uintptr_t)area, FAULTS * PAGE);
		area = mmap(NULL, FAULTS * PAGE, PROT_READ, MAP_SHARED, file, 0);
		touched = 0;
	}
}

static void finish_area(void)
{
	munmap((void *)(uintptr_t)area, FAULTS * PAGE);
	if (file >= 0)
		close(file);
	file = -1;
}

static void run_mmap(void)
{
	void *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p, 16 * PAGE))
		die("mmap");
}

/* ---- a page that every other CPU looks at ---- */

static volatile bool leave, here[MAX_OTHER];
static pthread_t other[MAX_OTHER];
static unsigned others;

/* Counting instructions, QEMU 7.2 lets another CPU run at a PAUSE only; and one takes it longer
 * than a thousand instructions. */
static void *look(void *arg)
{
	while (!leave) {
		for (unsigned i = 0; i < 500; i++)
			(void)area[0];
		here[(uintptr_t)arg] = true;
		__asm__ volatile("pause");
	}
	return NULL;
}

static bool prepare_shootdown(void)
{
	area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return false;
	area[0] = 1;
	leave = false;
	others = cpus - 1 < MAX_OTHER ? cpus - 1 : MAX_OTHER;
	for (unsigned i = 0; i < others; i++) {
		pthread_attr_t a;
		cpu_set_t set;

		here[i] = false;
		CPU_ZERO(&set);
		CPU_SET(i + 1, &set);
		pthread_attr_init(&a);
		if (pthread_create(&other[i], &a, look, (void *)(uintptr_t)i) ||
		    pthread_setaffinity_np(other[i], sizeof(set), &set))
			die("thread on another CPU");
		while (!here[i]) {
			sched_yield();
			__asm__ volatile("pause");
		}
	}
	return true;
}

static void run_shootdown(void)
{
	if (mprotect((void *)(uintptr_t)area, PAGE, PROT_READ))
		die("mprotect");
}

static void after_shootdown(void)
{
	mprotect((void *)(uintptr_t)area, PAGE, PROT_READ | PROT_WRITE);
	area[0] = 1;
	for (unsigned i = 0; i < others; i++) {
		here[i] = false;
		while (!here[i])
			__asm__ volatile("pause");
	}
}

static void finish_shootdown(void)
{
	leave = true;
	for (unsigned i = 0; i < others; i++)
		pthread_join(other[i], NULL);
	munmap((void *)(uintptr_t)area, PAGE);
}

const struct op memory_ops[] = {
	{OP_pipe_1, prepare_pipe, run_pipe_1, NULL, finish_pipe, 200},
	{OP_pipe_64k, prepare_pipe, run_pipe_64k, NULL, finish_pipe, 20},
	{OP_fault_anon, prepare_anon, run_touch, NULL, finish_area, 200},
	{OP_fault_file, prepare_file, run_look, after_look, finish_area, 64},
	{OP_mmap_munmap, NULL, run_mmap, NULL, NULL, 100},
	{OP_shootdown, prepare_shootdown, run_shootdown, after_shootdown, finish_shootdown, 32},
	{0},
};
