/* SPDX-License-Identifier: MIT */
/*
 * What the recorder (plugin/recorder.c, inside QEMU) writes and `kaiser bench` reads: for each
 * measured run of an operation a header and its records, in the order in which things happened.
 */
#ifndef TOOLS_BENCH_TRACE_H
#define TOOLS_BENCH_TRACE_H

#include <stdint.h>

#define TRACE_MAGIC UINT32_C(0x6b626e31)

/* Marks in the guest's program: nopl disp32(%rax), the displacement TRACE_MARK | code. */
#define TRACE_MARK 0x4b410000
enum trace_mark {
	MARK_START = 1,
	MARK_STOP = 2,
	MARK_ABSENT = 3, /* the operation chosen does not exist on this kernel */
	MARK_ARM = 4,    /* from here on everything is watched; before, only marks are */
	MARK_OP = 0x1000 /* + its number: what follows belongs to that operation */
};

enum trace_type {
	TRACE_KERNEL, /* an instruction in the upper half; va, size: where and how long */
	TRACE_USER,   /* `count` instructions of user mode, on one page */
	TRACE_LOAD,   /* of a kernel instruction; size in bytes */
	TRACE_STORE,
	TRACE_USER_LOAD, /* of user mode; likewise collapsed by page */
	TRACE_USER_STORE,
};

/* Of a TRACE_KERNEL record. A REP instruction is one record, however often it goes round. */
enum trace_kind {
	KIND_PLAIN,
	KIND_CR3_WRITE,
	KIND_SWAPGS,
	KIND_INVLPG,
	KIND_INVPCID,
	KIND_IRET,
	KIND_SYSRET, /* SYSEXIT too */
	KIND_WRMSR,
	KIND_VERW,
	KIND_FENCE, /* LFENCE */
	KIND_HLT,
	KIND_STRING, /* REP */
	KINDS
};

struct trace_record {
	uint64_t va;
	uint8_t type, kind, size, cpu;
	uint32_t count;
};

struct trace_header {
	uint32_t magic;
	uint16_t op;
	uint8_t absent, overflow; /* overflow: the records do not tell all */
	uint64_t records;
};

#endif
