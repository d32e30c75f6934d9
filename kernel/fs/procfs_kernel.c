/* SPDX-License-Identifier: MIT */
/* The files of /proc that are about the whole system. */
#include "boot.h"
#include "cpu.h"
#include "procfs.h"
#include "random.h"
#include "utsname.h"
#include "../proc/proc.h"

typedef unsigned long long ull;

static uint64_t first_tsc, first_ns; /* to tell the speed of the TSC */
static char boot_id[37];

static void show_meminfo(struct seq *s)
{
	struct page_stats st;
	uint64_t limit, left, inodes;
	page_stats(&st);
	ramfs_usage(&limit, &left, &inodes);
	ull kb = PAGE_SIZE / 1024;
	ull cached = (limit > left ? limit - left : 0) * kb;
	const struct {
		const char *name;
		ull value;
	} line[] = {
		{"MemTotal", st.total * kb},
		{"MemFree", st.free * kb},
		{"MemAvailable", st.free * kb},
		{"Buffers", 0},
		{"Cached", cached}, /* files live in memory only: nothing of this can be dropped */
		{"SwapCached", 0},
		{"Unevictable", cached},
		{"SwapTotal", 0},
		{"SwapFree", 0},
		{"Dirty", 0},
		{"Writeback", 0},
		{"Shmem", cached},
		{"SReclaimable", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(line); i++) {
		int width = 15 - (int)strlen(line[i].name);
		seq_printf(s, "%s:", line[i].name);
		for (; width > 0; width--)
			seq_write(s, " ", 1);
		seq_printf(s, "%8llu kB\n", line[i].value);
	}
}

/* Names in Linux's order; what a bit means is in the processor manuals. */
static const struct {
	uint32_t leaf;
	uint8_t reg, bit; /* reg: eax is 0 */
	char name[18];
} flags[] = {
	{1, 3, 0, "fpu"},
	{1, 3, 1, "vme"},
	{1, 3, 2, "de"},
	{1, 3, 3, "pse"},
	{1, 3, 4, "tsc"},
	{1, 3, 5, "msr"},
	{1, 3, 6, "pae"},
	{1, 3, 7, "mce"},
	{1, 3, 8, "cx8"},
	{1, 3, 9, "apic"},
	{1, 3, 11, "sep"},
	{1, 3, 12, "mtrr"},
	{1, 3, 13, "pge"},
	{1, 3, 14, "mca"},
	{1, 3, 15, "cmov"},
	{1, 3, 16, "pat"},
	{1, 3, 17, "pse36"},
	{1, 3, 19, "clflush"},
	{1, 3, 23, "mmx"},
	{1, 3, 24, "fxsr"},
	{1, 3, 25, "sse"},
	{1, 3, 26, "sse2"},
	{1, 3, 28, "ht"},
	{0x80000001, 3, 11, "syscall"},
	{0x80000001, 3, 20, "nx"},
	{0x80000001, 3, 26, "pdpe1gb"},
	{0x80000001, 3, 27, "rdtscp"},
	{0x80000001, 3, 29, "lm"},
	{1, 2, 0, "pni"},
	{1, 2, 1, "pclmulqdq"},
	{1, 2, 3, "monitor"},
	{1, 2, 5, "vmx"},
	{1, 2, 9, "ssse3"},
	{1, 2, 12, "fma"},
	{1, 2, 13, "cx16"},
	{1, 2, 17, "pcid"},
	{1, 2, 19, "sse4_1"},
	{1, 2, 20, "sse4_2"},
	{1, 2, 21, "x2apic"},
	{1, 2, 22, "movbe"},
	{1, 2, 23, "popcnt"},
	{1, 2, 24, "tsc_deadline"},
	{1, 2, 25, "aes"},
	{1, 2, 26, "xsave"},
	{1, 2, 28, "avx"},
	{1, 2, 29, "f16c"},
	{1, 2, 30, "rdrand"},
	{1, 2, 31, "hypervisor"},
	{0x80000001, 2, 0, "lahf_lm"},
	{0x80000001, 2, 2, "svm"},
	{0x80000001, 2, 5, "abm"},
	{0x80000001, 2, 6, "sse4a"},
	{7, 1, 0, "fsgsbase"},
	{7, 1, 3, "bmi1"},
	{7, 1, 5, "avx2"},
	{7, 1, 7, "smep"},
	{7, 1, 8, "bmi2"},
	{7, 1, 9, "erms"},
	{7, 1, 10, "invpcid"},
	{7, 1, 18, "rdseed"},
	{7, 1, 19, "adx"},
	{7, 1, 20, "smap"},
	{7, 1, 23, "clflushopt"},
	{7, 1, 29, "sha_ni"},
	{7, 2, 2, "umip"},
	{7, 2, 16, "la57"},
	{7, 2, 22, "rdpid"},
	{7, 3, 10, "md_clear"},
	{7, 3, 29, "arch_capabilities"},
};

/* False if the CPU has no such leaf: CPUID would answer with another's data. */
static bool leaf(uint32_t n, uint32_t r[4])
{
	cpuid(n & 0x80000000, 0, r);
	if (r[0] < n)
		return false;
	cpuid(n, 0, r);
	return true;
}

static void brand_name(char name[49])
{
	uint32_t r[4];
	for (uint32_t i = 0; i < 3; i++) {
		if (!leaf(0x80000002 + i, r))
			memset(r, 0, sizeof(r));
		memcpy(name + 16 * i, r, 16);
	}
	name[48] = '\0';
	if (name[0] == '\0')
		strlcpy(name, "unknown", 49);
}

static void show_cpuinfo(struct seq *s)
{
	uint32_t r[4], sizes[4] = {0};
	char brand[49];
	uint32_t sig = leaf(1, r) ? r[0] : 0;
	uint32_t family = sig >> 8 & 15, model = sig >> 4 & 15;
	uint64_t ns = clock_ns() - first_ns;
	uint64_t khz = ns >= 1000 ? (rdtsc() - first_tsc) / (ns / 1000) * 1000 : 0;

	if (family == 6 || family == 15)
		model |= sig >> 12 & 0xf0;
	if (family == 15)
		family += sig >> 20 & 0xff;
	brand_name(brand);
	leaf(0x80000008, sizes);
	if (paging_levels == 4) /* as with no5lvl, whatever the CPU can do */
		sizes[0] = (sizes[0] & ~0xff00u) | 48 << 8;
	for (unsigned cpu = 0; cpu < ncpus; cpu++) {
		seq_printf(s, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\n", cpu,
			   cpu_vendor, family);
		seq_printf(s, "model\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", model, brand,
			   sig & 15);
		seq_printf(s, "cpu MHz\t\t: %llu.%03llu\napicid\t\t: %u\n", (ull)khz / 1000,
			   (ull)khz % 1000, cpus[cpu]->apic_id);
		seq_printf(s, "fpu\t\t: yes\nwp\t\t: yes\nflags\t\t:");
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
			if (leaf(flags[i].leaf, r) && (r[flags[i].reg] >> flags[i].bit & 1) &&
			    (paging_levels == 5 || strcmp(flags[i].name, "la57") != 0))
				seq_printf(s, " %s", flags[i].name);
		seq_printf(s, "\naddress sizes\t: %u bits physical, %u bits virtual\n\n",
			   sizes[0] & 0xff, sizes[0] >> 8 & 0xff);
	}
}

struct usage { /* in hundredths of a second */
	ull user, nice, system, idle, interrupts;
};

/* Adds what CPU `id` did. Its own counters only ever grow, and so does what is made of them. */
static void add_usage(struct usage *u, unsigned id)
{
	const struct cpu *c = cpus[id];
	uint64_t all = c->ticks, busy = c->user_ticks + c->nice_ticks + c->system_ticks;
	u->user += c->user_ticks * 100 / HZ;
	u->nice += c->nice_ticks * 100 / HZ;
	u->system += c->system_ticks * 100 / HZ;
	u->idle += (all > busy ? all - busy : 0) * 100 / HZ;
	u->interrupts += c->interrupts;
}

static struct usage usage_of_all(void)
{
	struct usage u = {0};
	for (unsigned id = 0; id < ncpus; id++)
		add_usage(&u, id);
	return u;
}

static void show_usage(struct seq *s, const char *name, const struct usage *u)
{
	seq_printf(s, "%s %llu %llu %llu %llu 0 0 0 0 0 0\n", name, u->user, u->nice, u->system,
		   u->idle);
}

struct census {
	unsigned sleeping, threads;
	int last_pid;
};

static struct census take_census(void)
{
	struct census n = {0};
	uint64_t irq = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all) {
		n.threads += p->nthreads;
		n.last_pid = p->pid;
		list_for_each_entry (t, &p->threads, struct task, thread_link)
			n.sleeping += t->state == TASK_SLEEPING;
	}
	spin_unlock_irqrestore(&task_lock, irq);
	return n;
}

static void show_stat(struct seq *s)
{
	struct usage all = usage_of_all();
	struct sched_stats st;
	char name[16];
	sched_stats(&st);
	show_usage(s, "cpu ", &all);
	for (unsigned id = 0; id < ncpus; id++) {
		struct usage u = {0};
		add_usage(&u, id);
		snprintf(name, sizeof(name), "cpu%u", id);
		show_usage(s, name, &u);
	}
	seq_printf(s, "intr %llu\nctxt %llu\nbtime %llu\n", all.interrupts, (ull)st.switches,
		   (ull)(realtime_ns() - clock_ns()) / 1000000000);
	seq_printf(s, "processes %llu\nprocs_running %llu\nprocs_blocked %u\n",
		   (ull)__atomic_load_n(&task_forks, __ATOMIC_RELAXED), (ull)st.runnable,
		   take_census().sleeping);
}

static void show_uptime(struct seq *s)
{
	ull up = clock_ns() / 10000000, idle = usage_of_all().idle;
	seq_printf(s, "%llu.%02llu %llu.%02llu\n", up / 100, up % 100, idle / 100, idle % 100);
}

static void show_loadavg(struct seq *s)
{
	struct census n = take_census();
	struct sched_stats st;
	uint64_t load[3];
	sched_stats(&st);
	load_average(load);
	for (int i = 0; i < 3; i++) {
		uint64_t hundredths = (load[i] * 100 + 32768) >> 16;
		seq_printf(s, "%llu.%02llu ", (ull)hundredths / 100, (ull)hundredths % 100);
	}
	seq_printf(s, "%llu/%u %d\n", (ull)st.runnable, n.threads, n.last_pid);
}

static void show_version(struct seq *s)
{
	seq_printf(s, "%s version %s (C compiler %s) %s\n", UTS_SYSNAME, UTS_RELEASE, __VERSION__,
		   UTS_VERSION);
}

static void show_ostype(struct seq *s)
{
	seq_printf(s, "%s\n", UTS_SYSNAME);
}

static void show_osrelease(struct seq *s)
{
	seq_printf(s, "%s\n", UTS_RELEASE);
}

static void show_os_version(struct seq *s)
{
	seq_printf(s, "%s\n", UTS_VERSION);
}

static void show_hostname(struct seq *s)
{
	char name[UTS_BYTES];
	uts_nodename(name);
	seq_printf(s, "%s\n", name);
}

static const char *cmdline_text = "";

static void show_cmdline(struct seq *s)
{
	seq_printf(s, "%s\n", cmdline_text);
}

void procfs_set_cmdline(const char *text)
{
	cmdline_text = text;
	procfs_register("cmdline", show_cmdline);
}

static void show_filesystems(struct seq *s)
{
	static const char *const names[] = {"rootfs", "proc", "ramfs", "tmpfs", "devtmpfs"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(s, "nodev\t%s\n", names[i]);
}

static void show_pid_max(struct seq *s)
{
	seq_printf(s, "%d\n", TID_MAX);
}

static void show_boot_id(struct seq *s)
{
	seq_printf(s, "%s\n", boot_id);
}

/* A random UUID, version 4. */
static void make_uuid(char text[37])
{
	uint8_t b[16];
	char *p = text;
	random_bytes(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (unsigned i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		snprintf(p, 3, "%02x", b[i]);
		p += 2;
	}
}

static void show_uuid(struct seq *s)
{
	char text[37];
	make_uuid(text);
	seq_printf(s, "%s\n", text);
}

static long self_link(char *buf, size_t n)
{
	const struct process *p = current->proc;
	return p != NULL ? snprintf(buf, n, "%d", p->pid) : -ENOENT;
}

static long thread_self_link(char *buf, size_t n)
{
	const struct process *p = current->proc;
	return p != NULL ? snprintf(buf, n, "%d/task/%d", p->pid, current->tid) : -ENOENT;
}

static long mounts_link(char *buf, size_t n)
{
	return (long)MIN(strlcpy(buf, "self/mounts", n), n);
}

void procfs_kernel_init(void)
{
	static const struct {
		const char *path;
		void (*show)(struct seq *s);
		long (*readlink)(char *buf, size_t n);
	} files[] = {
		{"self", NULL, self_link},
		{"thread-self", NULL, thread_self_link},
		{"mounts", NULL, mounts_link},
		{"meminfo", show_meminfo, NULL},
		{"cpuinfo", show_cpuinfo, NULL},
		{"stat", show_stat, NULL},
		{"uptime", show_uptime, NULL},
		{"loadavg", show_loadavg, NULL},
		{"filesystems", show_filesystems, NULL},
		{"version", show_version, NULL},
		{"sys/kernel/ostype", show_ostype, NULL},
		{"sys/kernel/osrelease", show_osrelease, NULL},
		{"sys/kernel/version", show_os_version, NULL},
		{"sys/kernel/hostname", show_hostname, NULL},
		{"sys/kernel/pid_max", show_pid_max, NULL},
		{"sys/kernel/random/boot_id", show_boot_id, NULL},
		{"sys/kernel/random/uuid", show_uuid, NULL},
	};
	first_tsc = rdtsc();
	first_ns = clock_ns();
	make_uuid(boot_id);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		uint32_t mode = files[i].readlink != NULL ? S_IFLNK | 0777 : S_IFREG | 0444;
		int err = procfs_add(files[i].path, mode, files[i].show, files[i].readlink);
		if (err != 0)
			printk("procfs: /proc/%s cannot be made: error %d\n", files[i].path, -err);
	}
}
