/* SPDX-License-Identifier: MIT */
/*
 * A QEMU plugin that tells which instructions of user mode and of the kernel's entry code run:
 * -plugin FILE,out=FILE,range=FROM-TO,...  It shares nothing with QEMU's log or its stub: a call is
 * compiled into the translated code before each such instruction. One CPU.
 *
 *	out=FILE        a struct storm_trace, which is there
 *	range=FROM-TO   of the entry code, hexadecimal; user mode is always meant
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../bench/plugin/qemu_plugin.h"
#include "../trace.h"

#define RANGES 8

/* QEMU looks at this before it calls anything, and each QEMU refuses some values. */
QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

__attribute__((constructor)) static void choose_version(void)
{
	if (qemu_plugin_scoreboard_new)
		qemu_plugin_version = 2;
}

static struct storm_trace *trace;
static uint64_t range[RANGES][2];
static unsigned ranges;

static void on_insn(unsigned vcpu, void *udata)
{
	(void)vcpu;
	if (!trace->on)
		return;
	if (trace->count < TRACE_MOST)
		trace->rip[trace->count] = (uint64_t)(uintptr_t)udata;
	trace->count++;
}

static int meant(uint64_t va)
{
	for (unsigned i = 0; i < ranges; i++)
		if (va >= range[i][0] && va < range[i][1])
			return 1;
	return !(va >> 47);
}

static void translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
		struct qemu_plugin_insn *q = qemu_plugin_tb_get_insn(tb, k);
		uint64_t va = qemu_plugin_insn_vaddr(q);

		if (meant(va))
			qemu_plugin_register_vcpu_insn_exec_cb(q, on_insn, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)va);
	}
}

static int map(const char *path)
{
	int fd = open(path, O_RDWR);
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return -1;
	trace = p;
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	for (int i = 0; i < argc; i++) {
		char *to;

		if (!strncmp(argv[i], "out=", 4) && map(argv[i] + 4)) {
			fprintf(stderr, "kaiser storm's tracer: %s cannot be mapped\n",
				argv[i] + 4);
			return 1;
		}
		if (strncmp(argv[i], "range=", 6) != 0 || ranges == RANGES)
			continue;
		range[ranges][0] = strtoull(argv[i] + 6, &to, 16);
		range[ranges++][1] = *to ? strtoull(to + 1, NULL, 16) : 0;
	}
	if (!trace || !info->system_emulation || strcmp(info->target_name, "x86_64") != 0) {
		fprintf(stderr, "kaiser storm's tracer: needs out=FILE and an x86-64 system\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translation);
	return 0;
}
