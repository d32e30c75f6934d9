/* SPDX-License-Identifier: MIT */
/* Bringing the kernel up, in order. */
#include "boot.h"
#include "cpu.h"
#include "init_args.h"
#include "kmap.h"
#include "page.h"
#include "port.h"
#include "printk.h"
#include "random.h"
#include "syscall.h"
#include "task.h"
#include "sweep.h"
#include "utsname.h"
#include "vfs.h"

static struct task idle_tasks[MAX_CPUS];
static struct boot_info boot;

static void idle_init(unsigned id)
{
	idle_tasks[id].kstack = cpu_boot_stack(id);
	sched_init_cpu(&idle_tasks[id]);
	fpu_init_cpu();
	timer_start();
}

/* Another CPU, on the stack smp_init() gave it. */
noreturn void cpu_main(unsigned id)
{
	port_enter_cpu(id, kstack_top(cpu_boot_stack(id)));
	idle_init(id);
	irq_enable();
	cpu_idle();
}

static void unpack_initramfs(void)
{
	const char *why = NULL;

	if (!boot.initrd)
		fatal("there is no initramfs: start QEMU with -initrd, or GRUB with a module");
	if (initramfs_unpack(phys_to_virt(boot.initrd), boot.initrd_bytes, &why))
		fatal("%s", why);
	if (!boot.initrd_kept)
		page_add_range(boot.initrd, boot.initrd + boot.initrd_bytes);
}

static noreturn void start_init(void)
{
	static char path[256], why[320];
	char *argv[] = {path, NULL};
	char *envp[] = {"HOME=/", "TERM=linux", NULL};
	struct init_args args;

	if (!cmdline_get("rdinit", path, sizeof(path)))
		strlcpy(path, "/init", sizeof(path));
	if (init_args(&args, boot.cmdline, argv, envp))
		fatal("there is no memory for the arguments of %s", path);
	printk("init: starting %s\n", path);
	task_start_init(path, args.argv, args.envp, why, sizeof(why));
	fatal("%s cannot be started: %s", path, why);
}

/* The first thread: what may sleep. */
static void init_thread(unused void *arg)
{
	vfs_init();
	unpack_initramfs();
	devfs_init();
	procfs_init();
	procfs_set_cmdline(boot.cmdline);
	tty_init();
	port_procfs_init();
	port_verify();
	start_init();
}

/* A mistyped word must not quietly decide about isolation. */
static void check_pti_option(void)
{
	char value[16];

	if (cmdline_get("pti", value, sizeof(value)) && strcmp(value, "auto") != 0 &&
	    strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		fatal("the option pti=%s is none of pti=auto, pti=on and pti=off", value);
}

noreturn void kernel_main(const struct boot_info *bi)
{
	boot = *bi;
	serial_init();
	cmdline_init(boot.cmdline);
#ifdef UTS_PATCHED
	printk("%s\n", UTS_VERSION);
#endif
	if (cmdline_has("kaslr_show"))
		printk("kaslr: image %lx window %lx direct_map %lx\n",
		       (unsigned long)boot.image_base, (unsigned long)boot.window_base,
		       (unsigned long)boot.direct_map_base);
	sweep_init();
	traps_init();
	syscall_init();
	cpu_features_init();
	page_init(&boot);
	kmap_init(&boot);
	check_pti_option();
	port_init(&boot);
	random_seed(&boot.entropy, sizeof(boot.entropy));
	acpi_init(boot.rsdp);
	lapic_init();
	ioapic_init();
	timer_init();
	task_init();
	idle_init(0);
	irq_enable();
	smp_init();
	if (!kthread_create("init", init_thread, NULL))
		panic("out of memory before init");
	cpu_idle();
}
