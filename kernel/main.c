/* SPDX-License-Identifier: MIT */
/* Bringing the kernel up, in order. */
#include "boot.h"
#include "cpu.h"
#include "kmap.h"
#include "page.h"
#include "port.h"
#include "printk.h"
#include "random.h"
#include "task.h"
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
	port_enter_cpu(id, (uint64_t)cpu_boot_stack(id) + KSTACK_PAGES * PAGE_SIZE);
	idle_init(id);
	irq_enable();
	cpu_idle();
}

static void unpack_initramfs(void)
{
	const char *why = NULL;

	if (!boot.initrd)
		panic("no initramfs: start QEMU with -initrd, or GRUB with a module");
	if (initramfs_unpack(phys_to_virt(boot.initrd), boot.initrd_bytes, &why))
		panic("initramfs: %s", why);
	page_add_range(boot.initrd, boot.initrd + boot.initrd_bytes);
}

static int start_init(void)
{
	char path[256];
	char *argv[] = {path, NULL};
	char *envp[] = {"HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			"/usr/bin:/sbin:/bin", NULL};

	if (!cmdline_get("rdinit", path, sizeof(path)))
		strlcpy(path, "/init", sizeof(path));
	printk("init: starting %s\n", path);
	int err = task_start_init(path, argv, envp);
	printk("init: %s cannot be started: error %d%s\n", path, -err,
	       err == -ENOENT ? " (no such file in the initramfs)"
	       : err == -ENOEXEC ? " (not a static x86-64 ELF program or a script)"
				 : "");
	return err;
}

/* The first thread: what may sleep. */
static void init_thread(unused void *arg)
{
	vfs_init();
	unpack_initramfs();
	devfs_init();
	procfs_init();
	tty_init();
	port_procfs_init();
	if (port_verify() > 0)
		panic("the page tables do not isolate as they should");
	if (start_init())
		panic("no init");
}

noreturn void kernel_main(const struct boot_info *bi)
{
	boot = *bi;
	serial_init();
	cmdline_init(boot.cmdline);
	cpu_features_init();
	page_init(&boot);
	kmap_init(&boot);
	port_init(&boot);
	random_seed(&boot.entropy, sizeof(boot.entropy));
	acpi_init(boot.rsdp);
	lapic_init();
	ioapic_init();
	timer_init();
	mm_init();
	task_init();
	idle_init(0);
	irq_enable();
	smp_init();
	if (!kthread_create("init", init_thread, NULL))
		panic("out of memory before init");
	cpu_idle();
}
