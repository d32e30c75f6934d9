/* SPDX-License-Identifier: MIT */
/* /init that starts /pattern and /other, both on CPU 0, and waits. */
#include "nolibc.h"

static void start(const char *path)
{
	const char *argv[] = {path, NULL}, *envp[] = {NULL};

	if (call3(SYS_fork, 0, 0, 0) == 0) {
		pin(0);
		call3(SYS_execve, (long)path, (long)argv, (long)envp);
		say("outside: cannot execute\n");
		call3(SYS_exit, 1, 0, 0);
	}
}

void program(void)
{
	start("/pattern");
	start("/other");
	say("outside: ready\n");
	for (;;)
		call6(SYS_wait4, -1, 0, 0, 0, 0, 0);
}
