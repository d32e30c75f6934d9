/* SPDX-License-Identifier: MIT */
/*
 * A QEMU plugin that records what a guest does between marks of its own: -plugin FILE,out=FILE.
 *
 * It only records: counting and judging are done afterwards (tools/bench/count.c). Until the
 *guest's program says MARK_ARM nothing but marks is watched, so a guest boots at almost full speed.
 * What it cannot see: memory the CPU touches by itself (frames pushed by an interrupt, descriptor
 * and page-table reads).
 *
 *	out=FILE   where to (needed)
 *	max=N      records kept of one run at most
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../trace.h"
#include "qemu_plugin.h"

#define CPUS 256

/* QEMU looks at this before it calls anything, and each QEMU refuses some values. */
QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

__attribute__((constructor)) static void choose_version(void)
{
	if (qemu_plugin_scoreboard_new)
		qemu_plugin_version = 2;
}

static int api; /* of the QEMU that runs us */
static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct trace_record *record;
static uint64_t records, most = UINT64_C(1) << 26, room;
static bool on, overflow;
static uint16_t op;
static uint64_t last_string[CPUS]; /* where the CPU's last instruction was, if it was a REP */
static uint64_t last_user[CPUS];   /* index + 1 of the record of user mode that may grow */

/* One instruction of translated code. Never freed: QEMU does not say when it drops the code. */
struct insn {
	uint64_t va;
	uint8_t size, kind, kernel;
};

static struct trace_record *put(uint64_t va, unsigned type, unsigned vcpu)
{
	if (records == room) {
		uint64_t more = room ? room * 2 : 1 << 16;
		struct trace_record *r = NULL;

		if (more <= most)
			r = realloc(record, more * sizeof(*r));
		if (!r) {
			overflow = true;
			records = 0; /* it is worth nothing any more */
			if (!room)
				return NULL;
			memset(last_user, 0, sizeof(last_user));
		} else {
			record = r;
			room = more;
		}
	}
	record[records] = (struct trace_record){
		.va = va, .type = (uint8_t)type, .cpu = (uint8_t)vcpu, .count = 1};
	return &record[records++];
}

static void on_insn(unsigned vcpu, void *udata)
{
	const struct insn *i = udata;
	struct trace_record *r;

	if (!on || vcpu >= CPUS)
		return;
	pthread_mutex_lock(&lock);
	if (i->kernel) {
		last_user[vcpu] = 0;
		if (i->kind == KIND_STRING && last_string[vcpu] == i->va)
			goto done;
		last_string[vcpu] = i->kind == KIND_STRING ? i->va : 0;
		r = put(i->va, TRACE_KERNEL, vcpu);
		if (r) {
			r->kind = i->kind;
			r->size = i->size;
		}
		goto done;
	}
	last_string[vcpu] = 0;
	r = last_user[vcpu] ? &record[last_user[vcpu] - 1] : NULL;
	if (r && r->va >> 12 == i->va >> 12) {
		r->count++;
		goto done;
	}
	r = put(i->va, TRACE_USER, vcpu);
	last_user[vcpu] = r ? records : 0;
done:
	pthread_mutex_unlock(&lock);
}

static void on_memory(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *udata)
{
	const struct insn *i = udata;
	bool store = qemu_plugin_mem_is_store(info);
	struct trace_record *r;
	unsigned type;

	if (!on || vcpu >= CPUS)
		return;
	if (i->kernel)
		type = store ? TRACE_STORE : TRACE_LOAD;
	else
		type = store ? TRACE_USER_STORE : TRACE_USER_LOAD;
	pthread_mutex_lock(&lock);
	/* A loop of user mode would fill the memory with one and the same page. */
	if (!i->kernel && records && record[records - 1].type == type &&
	    record[records - 1].cpu == vcpu && record[records - 1].va >> 12 == va >> 12) {
		record[records - 1].count++;
	} else {
		r = put(va, type, vcpu);
		if (r)
			r->size = (uint8_t)(1u << qemu_plugin_mem_size_shift(info));
	}
	pthread_mutex_unlock(&lock);
}

/* ---- marks ---- */

static void full_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

static void armed(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, full_translation);
}

static qemu_plugin_id_t self;

static void write_run(bool absent)
{
	struct trace_header h = {.magic = TRACE_MAGIC,
				 .op = op,
				 .absent = absent,
				 .overflow = overflow,
				 .records = absent || overflow ? 0 : records};

	fwrite(&h, sizeof(h), 1, out);
	if (h.records)
		fwrite(record, sizeof(*record), h.records, out);
	fflush(out);
}

static void on_mark(unsigned vcpu, void *udata)
{
	unsigned code = (unsigned)(uintptr_t)udata;

	(void)vcpu;
	pthread_mutex_lock(&lock);
	if (code == MARK_START) {
		records = 0;
		overflow = false;
		memset(last_user, 0, sizeof(last_user));
		memset(last_string, 0, sizeof(last_string));
		on = true;
	} else if (code == MARK_STOP && on) {
		on = false;
		write_run(false);
	} else if (code == MARK_ABSENT) {
		on = false;
		write_run(true);
	} else if (code >= MARK_OP) {
		op = (uint16_t)(code - MARK_OP);
	}
	pthread_mutex_unlock(&lock);
	if (code == MARK_ARM)
		qemu_plugin_reset(self, armed);
}

/* ---- translation ---- */

static size_t bytes_of(const struct qemu_plugin_insn *q, uint8_t b[16])
{
	size_t n = qemu_plugin_insn_size(q);
	union {
		void (*any)(void);
		qemu_plugin_insn_data_v1 *v1;
		qemu_plugin_insn_data_v3 *v3;
	} data = {qemu_plugin_insn_data};

	memset(b, 0, 16);
	n = n < 15 ? n : 15;
	if (api >= 3)
		data.v3(q, b, n);
	else
		memcpy(b, data.v1(q), n);
	return n;
}

static unsigned kind_0f01(uint8_t modrm)
{
	if (modrm == 0xf8)
		return KIND_SWAPGS;
	return modrm < 0xc0 && (modrm >> 3 & 7) == 7 ? KIND_INVLPG : KIND_PLAIN;
}

static unsigned kind_0f(const uint8_t *p)
{
	switch (p[1]) {
	case 0x00:
		return (p[2] >> 3 & 7) == 5 ? KIND_VERW : KIND_PLAIN;
	case 0x01:
		return kind_0f01(p[2]);
	case 0x07:
	case 0x35:
		return KIND_SYSRET;
	case 0x22:
		return (p[2] >> 3 & 7) == 3 ? KIND_CR3_WRITE : KIND_PLAIN;
	case 0x30:
		return KIND_WRMSR;
	case 0x38:
		return p[2] == 0x82 ? KIND_INVPCID : KIND_PLAIN;
	case 0xae:
		return p[2] == 0xe8 ? KIND_FENCE : KIND_PLAIN;
	default:
		return KIND_PLAIN;
	}
}

static unsigned kind_of(const uint8_t *p)
{
	bool rep = false;

	for (;; p++) {
		if (*p == 0xf2 || *p == 0xf3)
			rep = true;
		else if (*p != 0x66 && *p != 0x67 && *p != 0x2e && *p != 0x36 && *p != 0x3e &&
			 *p != 0x26 && *p != 0x64 && *p != 0x65 && *p != 0xf0)
			break;
	}
	if ((*p & 0xf0) == 0x40)
		p++;
	if (*p == 0x0f)
		return kind_0f(p);
	if (*p == 0xcf)
		return KIND_IRET;
	if (*p == 0xf4)
		return KIND_HLT;
	return rep && ((*p >= 0xa4 && *p <= 0xa7) || (*p >= 0xaa && *p <= 0xaf)) ? KIND_STRING
										 : KIND_PLAIN;
}

static void watch_mark(struct qemu_plugin_insn *q, const uint8_t *b, size_t n)
{
	if (n == 7 && b[0] == 0x0f && b[1] == 0x1f && b[2] == 0x80 &&
	    b[5] == (TRACE_MARK >> 16 & 0xff) && b[6] == TRACE_MARK >> 24)
		qemu_plugin_register_vcpu_insn_exec_cb(q, on_mark, QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)(b[3] | b[4] << 8));
}

static void light_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint8_t b[16];

	(void)id;
	for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
		struct qemu_plugin_insn *q = qemu_plugin_tb_get_insn(tb, k);

		if (qemu_plugin_insn_size(q) == 7)
			watch_mark(q, b, bytes_of(q, b));
	}
}

static void full_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint8_t b[16];

	(void)id;
	for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
		struct qemu_plugin_insn *q = qemu_plugin_tb_get_insn(tb, k);
		struct insn *i = malloc(sizeof(*i));
		size_t n = bytes_of(q, b);

		if (!i)
			abort();
		i->va = qemu_plugin_insn_vaddr(q);
		i->size = (uint8_t)qemu_plugin_insn_size(q);
		i->kernel = i->va >> 63 != 0;
		i->kind = (uint8_t)kind_of(b);
		qemu_plugin_register_vcpu_insn_exec_cb(q, on_insn, QEMU_PLUGIN_CB_NO_REGS, i);
		qemu_plugin_register_vcpu_mem_cb(q, on_memory, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, i);
		watch_mark(q, b, n);
	}
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	self = id;
	api = info->version.cur;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "wb");
		else if (!strncmp(argv[i], "max=", 4))
			most = strtoull(argv[i] + 4, NULL, 0);
	}
	if (!out || !info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "kaiser bench's recorder: needs out=FILE and an x86-64 system\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, light_translation);
	return 0;
}
