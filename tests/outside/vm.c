/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../tools/lib/qmp.h"
#include "vm.h"

#define CONNECT_MS 20000

struct vm {
	pid_t pid;
	char dir[64];
	uint8_t *ram;
	uint64_t ram_bytes;
	unsigned cpus;
	struct vm_cpu cpu[VM_MAX_CPUS];
	struct qmp qmp;
};

static struct vm *running;

static void remove_file(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void end_process(struct vm *vm)
{
	if (vm->pid > 0) {
		kill(vm->pid, SIGKILL);
		while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	vm->pid = 0;
	remove_file(vm->dir, "qmp");
	remove_file(vm->dir, "serial");
	remove_file(vm->dir, "stderr");
	rmdir(vm->dir);
}

static void show_tail(const struct vm *vm, const char *name)
{
	char path[128], text[2001];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", vm->dir, name);
	f = fopen(path, "r");
	if (!f)
		return;
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	fseek(f, size > 2000 ? size - 2000 : 0, SEEK_SET);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		printf("# | %s\n", line);
}

void vm_die(const char *format, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	if (running) {
		show_tail(running, "stderr");
		show_tail(running, "serial");
		end_process(running);
	}
	fflush(stdout);
	_exit(2);
}

static void on_signal(int sig)
{
	if (running && running->pid > 0)
		kill(running->pid, SIGKILL);
	_exit(128 + sig);
}

static bool has_one_insn_per_tb(const char *qemu)
{
	char command[256], line[256] = "";
	int major = 0, minor = 0;

	snprintf(command, sizeof(command), "%s --version", qemu);
	FILE *p = popen(command, "r");

	if (!p || !fgets(line, sizeof(line), p) ||
	    sscanf(line, "QEMU emulator version %d.%d", &major, &minor) != 2)
		vm_die("%s cannot be run", qemu);
	pclose(p);
	return major > 8 || (major == 8 && minor >= 1);
}

static _Noreturn void run_qemu(const struct vm *vm, const struct vm_config *c, const char *qemu,
			       bool new_option, int ram_fd)
{
	char machine[64], smp[16], mem[16], ram[128], serial[96], qmp[128], append[512], path[96];
	const char *argv[48];
	int n = 0, fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/stderr", vm->dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	snprintf(machine, sizeof(machine), "%s,memory-backend=ram", c->machine);
	snprintf(smp, sizeof(smp), "%u", c->cpus);
	snprintf(mem, sizeof(mem), "%uM", c->megabytes);
	snprintf(ram, sizeof(ram),
		 "memory-backend-file,id=ram,share=on,size=%uM,mem-path=/dev/fd/%d", c->megabytes,
		 ram_fd);
	snprintf(serial, sizeof(serial), "file:%s/serial", vm->dir);
	snprintf(qmp, sizeof(qmp), "unix:%s/qmp,server=on,wait=off", vm->dir);
	snprintf(append, sizeof(append), "console=ttyS0 %s", c->append);
	const char *const fixed[] = {
		qemu,      "-M",      machine,   "-object",    ram,       "-m",
		mem,       "-smp",    smp,       "-cpu",       c->cpu,    "-serial",
		serial,    "-qmp",    qmp,       "-display",   "none",    "-monitor",
		"none",    "-nic",    "none",    "-no-reboot", "-kernel", c->kernel,
		"-initrd", c->initrd, "-append", append,       "-accel",
	};
	for (; n < (int)(sizeof(fixed) / sizeof(fixed[0])); n++)
		argv[n] = fixed[n];
	argv[n++] = c->one_insn && new_option ? "tcg,one-insn-per-tb=on" : "tcg";
	if (c->one_insn && !new_option)
		argv[n++] = "-singlestep";
	argv[n] = NULL;
	execvp(qemu, (char *const *)argv);
	_exit(127);
}

struct vm *vm_start(const struct vm_config *c)
{
	const char *tmp = getenv("TMPDIR"), *qemu = getenv("QEMU");
	struct vm *vm = calloc(1, sizeof(*vm));
	char path[128];
	int ram_fd = memfd_create("ram", 0);

	if (!vm || c->cpus > VM_MAX_CPUS)
		vm_die("out of memory, or too many CPUs");
	qemu = qemu ? qemu : "qemu-system-x86_64";
	vm->cpus = c->cpus;
	vm->ram_bytes = (uint64_t)c->megabytes << 20;
	if (ram_fd < 0 || ftruncate(ram_fd, (off_t)vm->ram_bytes))
		vm_die("no memory file for the guest: %s", strerror(errno));
	vm->ram = mmap(NULL, vm->ram_bytes, PROT_READ, MAP_SHARED, ram_fd, 0);
	if (vm->ram == MAP_FAILED)
		vm_die("the guest's memory cannot be mapped: %s", strerror(errno));
	snprintf(vm->dir, sizeof(vm->dir), "%.40s/outside.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(vm->dir))
		vm_die("no temporary folder in %s: %s", vm->dir, strerror(errno));
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGALRM, on_signal);
	bool new_option = c->one_insn && has_one_insn_per_tb(qemu);

	fflush(stdout);
	running = vm;
	vm->pid = fork();
	if (vm->pid < 0)
		vm_die("fork: %s", strerror(errno));
	if (vm->pid == 0)
		run_qemu(vm, c, qemu, new_option, ram_fd);
	close(ram_fd);
	snprintf(path, sizeof(path), "%s/qmp", vm->dir);
	if (qmp_open(&vm->qmp, path, CONNECT_MS))
		vm_die("%s", vm->qmp.error);
	return vm;
}

void vm_end(struct vm *vm)
{
	qmp_close(&vm->qmp);
	end_process(vm);
	munmap(vm->ram, vm->ram_bytes);
	running = NULL;
	free(vm);
}

static void execute(struct vm *vm, const char *command)
{
	if (qmp_execute(&vm->qmp, command, NULL))
		vm_die("%s: %s", command, vm->qmp.error);
	if (vm->qmp.shutdown[0])
		vm_die("the guest has ended: %s", vm->qmp.shutdown);
}

void vm_stop(struct vm *vm)
{
	execute(vm, "stop");
}

void vm_go(struct vm *vm)
{
	execute(vm, "cont");
}

void vm_nmi(struct vm *vm)
{
	execute(vm, "inject-nmi");
}

void vm_wait_text(struct vm *vm, const char *text, char *line, size_t size, int seconds)
{
	static char buf[1 << 18];
	char path[128];

	snprintf(path, sizeof(path), "%s/serial", vm->dir);
	for (int i = 0; i < seconds * 50; i++) {
		FILE *f = fopen(path, "r");

		if (f) {
			size_t n = fread(buf, 1, sizeof(buf) - 1, f);
			char *p;

			buf[n] = 0;
			fclose(f);
			p = strstr(buf, text);
			if (p && strchr(p, '\n')) {
				if (line)
					snprintf(line, size, "%.*s",
						 (int)strcspn(p + strlen(text), "\r\n"),
						 p + strlen(text));
				return;
			}
		}
		if (qmp_poll(&vm->qmp, 0) < 0 || vm->qmp.shutdown[0])
			vm_die("the guest ended before it said \"%s\"", text);
		nanosleep(&(struct timespec){0, 20000000}, NULL);
	}
	vm_die("the guest did not say \"%s\" within %d s", text, seconds);
}

/* ---- the text of `info registers -a` ---- */

static uint64_t number(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	if (!p)
		vm_die("QEMU shows no register %s", key);
	return strtoull(p + strlen(key), NULL, 16);
}

/* "CS =0033 0000000000000000 ffffffff 00a0fb00 ..."; the tables have no selector. */
static struct vm_segment segment(const char *text, const char *key, bool selector)
{
	struct vm_segment s = {0};
	const char *p = strstr(text, key);
	char *end;

	if (!p)
		vm_die("QEMU shows no register %s", key);
	p += strlen(key);
	if (selector) {
		s.selector = (unsigned)strtoul(p, &end, 16);
		p = end;
	}
	s.base = strtoull(p, &end, 16);
	s.limit = (uint32_t)strtoull(end, NULL, 16);
	return s;
}

static void parse(struct vm_cpu *c, const char *t)
{
	static const char *const names[16] = {
		"RAX=", "RCX=", "RDX=", "RBX=", "RSP=", "RBP=", "RSI=", "RDI=",
		"R8 =", "R9 =", "R10=", "R11=", "R12=", "R13=", "R14=", "R15="};

	for (unsigned i = 0; i < 16; i++)
		c->reg[i] = number(t, names[i]);
	c->rip = number(t, "RIP=");
	c->cpl = (unsigned)number(t, "CPL=");
	c->cr0 = number(t, "CR0=");
	c->cr2 = number(t, "CR2=");
	c->cr3 = number(t, "CR3=");
	c->cr4 = number(t, "CR4=");
	c->efer = number(t, "EFER=");
	c->cs = segment(t, "CS =", true);
	c->fs = segment(t, "FS =", true);
	c->gs = segment(t, "GS =", true);
	c->ldt = segment(t, "LDT=", true);
	c->tr = segment(t, "TR =", true);
	c->gdt = segment(t, "GDT=", false);
	c->idt = segment(t, "IDT=", false);
}

const struct vm_cpu *vm_registers(struct vm *vm)
{
	char *t;

	if (qmp_monitor(&vm->qmp, "info registers -a"))
		vm_die("%s", vm->qmp.error);
	t = vm->qmp.line;
	for (unsigned i = 0; i < vm->cpus; i++) {
		char head[16], *next;

		snprintf(head, sizeof(head), "CPU#%u", i + 1);
		next = strstr(t, head);
		if (next)
			*next = 0;
		else if (i + 1 < vm->cpus)
			vm_die("QEMU shows the registers of %u CPUs only", i + 1);
		parse(&vm->cpu[i], t);
		t = next ? next + 1 : t;
	}
	return vm->cpu;
}

unsigned vm_cpus(const struct vm *vm)
{
	return vm->cpus;
}

const uint8_t *vm_memory(const struct vm *vm, uint64_t pa, size_t n)
{
	if (pa > vm->ram_bytes || n > vm->ram_bytes - pa)
		return NULL;
	return vm->ram + pa;
}
