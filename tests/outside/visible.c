/* SPDX-License-Identifier: MIT */
/*
 * What user mode can see of the kernel, judged from outside: busy guests of 1, 2, 4 and 8 CPUs are
 * frozen at moments at which every CPU is in user mode, and each CPU's tables and visible
 * supervisor memory are looked at. A guest without isolation must be found out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "look.h"
#include "tap.h"

#define MOMENTS       12
#define FIRST_LOOKS   40 /* samples that only collect roots */
#define GUEST_SECONDS 60

static const char *const properties[LOOK_KINDS] = {
	[LOOK_SWITCH_BIT] = "bit 12 of CR3 is set on every CPU",
	[LOOK_PAGES] = "4 supervisor pages (16 KiB) under every CPU's root",
	[LOOK_RIGHTS] = "one of them writable, none writable and executable, none global",
	[LOOK_ROLES] = "they are IDT, gate text, descriptors, entry page",
	[LOOK_OWN] = "no CPU's root maps another's page",
	[LOOK_ADDRESSES] = "no address in them points outside the window",
	[LOOK_ROOTS] = "no root's address in them",
	[LOOK_SAME] = "gate text and gates are the same bytes wherever kernel and window lie",
	[LOOK_SECOND] = "libkaiser's check table finds nothing either",
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sample(struct look *l)
{
	vm_go(l->vm);
	nanosleep(&(struct timespec){0, (2 + random() % 5) * 1000000}, NULL);
	vm_stop(l->vm);
	l->regs = vm_registers(l->vm);
	look_note_roots(l);
}

static bool all_in_user_mode(const struct look *l)
{
	for (unsigned i = 0; i < l->cpus; i++)
		if (l->regs[i].cpl != 3)
			return false;
	return true;
}

/* The kernel's word for where things lie, on which kaslr.t relies, is true. */
static bool told_the_truth(const struct look *l, const char *line)
{
	const struct look_cpu *c = &l->cpu[0];
	unsigned long image, window, direct;
	struct walk_leaf a, b;

	return sscanf(line, " image %lx window %lx direct_map %lx", &image, &window, &direct) ==
		       3 &&
	       window == l->window && walk_to(&c->kernel, image, &a) && a.exec && !a.write &&
	       !walk_to(&c->kernel, image - 1, &b) && walk_to(&c->kernel, direct + a.pa, &b) &&
	       b.pa + (direct + a.pa - b.va) == a.pa;
}

/* Freezes one guest at several moments; the findings are in l. */
static unsigned look_at_guest(struct look *l, const struct vm_config *config, bool *truth)
{
	unsigned moments = 0;
	char line[200];
	double end;

	memset(l, 0, sizeof(*l));
	l->cpus = config->cpus;
	l->vm = vm_start(config);
	l->quiet = strstr(config->append, "pti=off");
	vm_wait_text(l->vm, "kaslr:", line, sizeof(line), 20);
	vm_wait_text(l->vm, "outside: ready", NULL, 0, 30);
	for (int i = 0; i < FIRST_LOOKS; i++)
		sample(l);
	for (end = now() + 15; moments < MOMENTS && now() < end;) {
		sample(l);
		if (!all_in_user_mode(l))
			continue;
		moments++;
		look_all(l);
		*truth = told_the_truth(l, line);
	}
	vm_end(l->vm);
	return moments;
}

static void isolated(struct vm_config *config, unsigned cpus, const char *machine, unsigned levels)
{
	static struct look l;
	bool truth = false;
	char name[48];

	config->cpus = cpus;
	config->machine = machine;
	config->cpu = levels == 5 ? "max,vendor=GenuineIntel" : "max,vendor=GenuineIntel,-la57";
	config->append = "pti=on kaslr_show";
	unsigned moments = look_at_guest(&l, config, &truth);

	snprintf(name, sizeof(name), "%u CPU%s, %s, %u levels", cpus, cpus == 1 ? "" : "s", machine,
		 levels);
	tap_result(moments >= 3, "%s: %u moments with every CPU in user mode, %u roots seen", name,
		   moments, l.roots / 2);
	for (unsigned k = 0; k < LOOK_KINDS; k++)
		tap_result(moments && !l.found[k], "%s: %s", name, properties[k]);
	tap_result(moments && l.cpu[cpus - 1].user.five_levels == (levels == 5),
		   "%s: so many levels has CR4", name);
	tap_result(truth, "%s: window, image and direct map lie where the kernel says", name);
}

/* What must be noticed where nothing is isolated, or these tests prove nothing. */
static void not_isolated(struct vm_config *config)
{
	static struct look l;
	bool truth;

	config->cpus = 2;
	config->append = "pti=off kaslr_show";
	unsigned moments = look_at_guest(&l, config, &truth);

	tap_result(moments >= 3, "pti=off: %u moments with every CPU in user mode", moments);
	tap_result(l.found[LOOK_SWITCH_BIT], "pti=off: a CR3 without bit 12 is noticed");
	tap_result(l.found[LOOK_PAGES], "pti=off: the kernel's pages are noticed (%lu of them)",
		   l.cpu[0].pages);
	tap_result(l.found[LOOK_RIGHTS], "pti=off: their rights are noticed");
	tap_result(l.found[LOOK_SECOND], "pti=off: libkaiser's check table notices too");
}

int main(int argc, char **argv)
{
	struct vm_config config = {
		.machine = "microvm",
		.cpu = "max,vendor=GenuineIntel",
		.megabytes = 256,
	};
	static const struct {
		unsigned cpus;
		const char *machine;
		unsigned levels;
	} guests[] = {{1, "microvm", 5}, {2, "pc", 4}, {4, "microvm", 5}, {8, "microvm", 4}};

	if (argc < 3) {
		fprintf(stderr, "usage: visible KERNEL INITRD [CPUS]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(5 * GUEST_SECONDS);
	config.kernel = argv[1];
	config.initrd = argv[2];
	for (unsigned i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
		if (argc < 4 || (unsigned)atoi(argv[3]) == guests[i].cpus)
			isolated(&config, guests[i].cpus, guests[i].machine, guests[i].levels);
	if (argc < 4)
		not_isolated(&config);
	return tap_end();
}
