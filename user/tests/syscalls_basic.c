/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c user/tests/basic_memory.c user/tests/basic_files.c */
/* SRC: user/tests/basic_dirs.c user/tests/basic_processes.c user/tests/basic_signals.c */
/* SRC: user/tests/basic_threads.c user/tests/basic_time.c user/tests/basic_queue.c */
/* SRC: user/tests/basic_mapped.c user/tests/basic_system.c user/tests/dirents.c */
/*
 * The system calls programs live on, each by its plain use and by the errors that programs look
 * for. What holds on Linux must hold here: the suite passes there unchanged.
 */
#include <string.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

int main(int argc, char **argv)
{
	char c;

	/* basic_processes and basic_mapped run this program again, with an argument. */
	if (argc == 3 && !strcmp(argv[1], "exec") && !strcmp(argv[2], "wait"))
		return read(0, &c, 1) == 0 ? 0 : 1;
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return argc == 3 && !strcmp(argv[2], "an argument") ? 42 : 1;
	ktap_start();
	basic_memory();
	basic_files();
	basic_dirs();
	basic_processes();
	basic_signals();
	basic_threads();
	basic_time();
	basic_queue();
	basic_mapped();
	basic_system();
	return ktap_end();
}
