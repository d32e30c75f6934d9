/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's machine protocol on a unix socket (-qmp unix:PATH,server=on,wait=off). Answers
 * are lines of JSON, kept as text. Functions return 0, or -1 with a sentence in q->error.
 */
#ifndef TOOLS_QMP_H
#define TOOLS_QMP_H

#include <stddef.h>

#define QMP_LINE (1u << 20)

struct qmp {
	int fd;
	size_t got;
	char buf[QMP_LINE];
	char line[QMP_LINE]; /* the last answer */
	char shutdown[64];   /* reason of a SHUTDOWN event, once one was seen */
	char error[200];
};

int qmp_open(struct qmp *q, const char *path, int timeout);
void qmp_close(struct qmp *q);
/* A command with its arguments as JSON, or NULL: qmp_execute(q, "inject-nmi", NULL). */
int qmp_execute(struct qmp *q, const char *command, const char *arguments);
/* A command of the human monitor; its text, escapes and all, stays in q->line. */
int qmp_monitor(struct qmp *q, const char *command);
/* Reads events that have come, waiting up to timeout milliseconds for one. */
int qmp_poll(struct qmp *q, int timeout);

#endif
