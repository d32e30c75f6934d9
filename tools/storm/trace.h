/* SPDX-License-Identifier: MIT */
/* A file that QEMU's plugin (plugin/tracer.c) writes and storm reads, mapped by both. */
#ifndef TOOLS_STORM_TRACE_H
#define TOOLS_STORM_TRACE_H

#include <stdint.h>

#define TRACE_MOST 65536 /* instructions of one way: as many as storm has steps */

struct storm_trace {
	uint32_t on;    /* by storm, while the guest is stopped: record */
	uint32_t count; /* how many there were; beyond TRACE_MOST they are only counted */
	uint64_t rip[TRACE_MOST];
};

#endif
