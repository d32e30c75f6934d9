/* SPDX-License-Identifier: MIT */
/* fork, exec, wait, process groups and sessions, limits, identity. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

static int leave(void *arg)
{
	return (int)(intptr_t)arg;
}

static int die(void *arg)
{
	kill(getpid(), (int)(intptr_t)arg);
	return 0;
}

static int run_self(void *arg)
{
	char *argv[] = {"self", "exec", arg, NULL}, *envp[] = {NULL};

	execve("/proc/self/exe", argv, envp);
	return 99;
}

static int run_path(void *arg)
{
	char *argv[] = {"x", NULL}, *envp[] = {NULL};

	execve(arg, argv, envp);
	return errno;
}

static void test_wait(void)
{
	int status = ktap_child(leave, (void *)7);
	siginfo_t info = {0};

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "exit status");
	status = ktap_child(die, (void *)SIGTERM);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "death by signal");
	CHECK(wait(&status) == -1 && errno == ECHILD, "no child left: ECHILD");
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, WNOHANG) == 0, "WNOHANG: 0");
	kill(pid, SIGSTOP);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
		      WSTOPSIG(status) == SIGSTOP,
	      "WUNTRACED sees it stop");
	kill(pid, SIGCONT);
	CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status),
	      "WCONTINUED sees it go on");
	kill(pid, SIGKILL);
	CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid &&
		      info.si_code == CLD_KILLED && info.si_status == SIGKILL,
	      "waitid WNOWAIT");
	CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL, "and waitpid after");
	CHECK(kill(pid, 0) == -1 && errno == ESRCH, "it is gone: ESRCH");
	bool all = true;

	for (int i = 0; i < 20; i++) {
		pid = fork();
		if (pid == 0)
			_exit(i);
		all = all && pid > 0;
	}
	unsigned seen = 0;

	while (wait(&status) > 0)
		seen |= 1u << WEXITSTATUS(status);
	CHECK(all && seen == 0xfffff, "twenty children at once");
}

static void test_exec(void)
{
	char big[1] = {0};

	CHECK(WEXITSTATUS(ktap_child(run_self, "an argument")) == 42, "execve with arguments");
	CHECK(WEXITSTATUS(ktap_child(run_path, "/tmp/none")) == ENOENT, "execve: ENOENT");
	CHECK(WEXITSTATUS(ktap_child(run_path, "/tmp")) == EACCES, "execve of a directory: EACCES");
	int fd = open("/tmp/ktap-x", O_CREAT | O_WRONLY | O_TRUNC, 0755);

	write(fd, "\177ELF\002\001\001 but no more", 20);
	close(fd);
	CHECK(WEXITSTATUS(ktap_child(run_path, "/tmp/ktap-x")) == ENOEXEC,
	      "execve of half an ELF: ENOEXEC");
	fd = open("/tmp/ktap-x", O_WRONLY | O_TRUNC);
	write(fd, "#!/proc/self/exe exec\n", 22);
	close(fd);
	/* The interpreter gets "exec" and the script's path: two arguments, not the expected one.
	 */
	int status = ktap_child(run_path, "/tmp/ktap-x");

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "execve of a #! script");
	fd = open("/tmp/ktap-x", O_WRONLY | O_TRUNC);
	write(fd, big, 1);
	close(fd);
	chmod("/tmp/ktap-x", 0644);
	CHECK(WEXITSTATUS(ktap_child(run_path, "/tmp/ktap-x")) == EACCES,
	      "execve without permission: EACCES");
	unlink("/tmp/ktap-x");
	pid_t pid = vfork();

	if (pid == 0)
		_exit(5);
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5, "vfork");
}

static int session(void *arg)
{
	(void)arg;
	pid_t me = getpid();

	return setsid() == me && getsid(0) == me && getpgrp() == me && setsid() == -1 &&
			       errno == EPERM
		       ? 0
		       : 1;
}

static int nofile(void *arg)
{
	struct rlimit r = {5, 5};

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &r))
		return 1;
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	return errno == EMFILE ? 0 : 2;
}

static int drop(void *arg)
{
	(void)arg;
	if (setgid(1000) || setuid(1000) || getuid() != 1000 || geteuid() != 1000)
		return 1;
	return setuid(0) == -1 && errno == EPERM ? 0 : 2;
}

static void test_identity(void)
{
	struct utsname u;
	struct rlimit r;
	struct rusage ru;
	cpu_set_t set;

	CHECK(ktap_child(session, NULL) == 0, "setsid");
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	CHECK(setpgid(pid, pid) == 0 && getpgid(pid) == pid, "setpgid");
	CHECK(kill(-pid, SIGKILL) == 0 && waitpid(-pid, NULL, 0) == pid, "kill of a group");
	CHECK(uname(&u) == 0 && !strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64"),
	      "uname");
	CHECK(getrlimit(RLIMIT_STACK, &r) == 0 && r.rlim_cur >= 1 << 20, "getrlimit");
	CHECK(ktap_child(nofile, NULL) == 0, "RLIMIT_NOFILE: EMFILE");
	if (getuid() == 0)
		CHECK(ktap_child(drop, NULL) == 0, "setuid, and no way back");
	else
		ktap_skip("setuid, and no way back", "not root");
	CHECK(getrusage(RUSAGE_SELF, &ru) == 0 && ru.ru_utime.tv_sec >= 0, "getrusage");
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1 &&
		      sysconf(_SC_NPROCESSORS_ONLN) >= 1,
	      "sched_getaffinity");
	mode_t m = umask(027);

	CHECK(umask(m) == 027, "umask");
	CHECK(getppid() >= 0 && getpid() > 0, "getpid, getppid");
}

void basic_processes(void)
{
	test_wait();
	test_exec();
	test_identity();
}
