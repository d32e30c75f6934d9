/* SPDX-License-Identifier: MIT */
/* The parts of syscalls_basic, one file an area. */
#ifndef USER_TESTS_BASIC_H
#define USER_TESTS_BASIC_H

void basic_memory(void);
void basic_files(void);
void basic_dirs(void);
void basic_processes(void);
void basic_signals(void);
void basic_threads(void);
void basic_time(void);
void basic_queue(void);
void basic_mapped(void);
void basic_system(void);

#endif
