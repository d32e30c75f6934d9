/* SPDX-License-Identifier: MIT */
/* The system as a whole: its name, its load, its end. */
#include "page.h"
#include "printk.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"
#include "utsname.h"

#define NS_PER_SEC UINT64_C(1000000000)

/* ---- names ---- */

static spinlock_t name_lock = SPINLOCK_INIT;
static char nodename[UTS_BYTES] = "kaiser";

struct user_utsname {
	char sysname[UTS_BYTES], nodename[UTS_BYTES], release[UTS_BYTES], version[UTS_BYTES],
		machine[UTS_BYTES], domainname[UTS_BYTES];
};
_Static_assert(sizeof(struct user_utsname) == 390, "struct utsname");

void uts_nodename(char name[UTS_BYTES])
{
	spin_lock(&name_lock);
	memcpy(name, nodename, UTS_BYTES);
	spin_unlock(&name_lock);
}

SYSCALL1(uname, uint64_t, va)
{
	struct user_utsname u;
	memset(&u, 0, sizeof(u));
	strlcpy(u.sysname, UTS_SYSNAME, UTS_BYTES);
	strlcpy(u.release, UTS_RELEASE, UTS_BYTES);
	strlcpy(u.version, UTS_VERSION, UTS_BYTES);
	strlcpy(u.machine, current->proc->persona == PER_LINUX32 ? "i686" : UTS_MACHINE, UTS_BYTES);
	strlcpy(u.domainname, "(none)", UTS_BYTES);
	uts_nodename(u.nodename);
	return copy_to_user(va, &u, sizeof(u));
}

SYSCALL2(sethostname, uint64_t, va, int64_t, len)
{
	char name[UTS_BYTES] = {0};
	if (current->proc->cred.euid != 0)
		return -EPERM;
	if (len < 0 || len >= UTS_BYTES)
		return -EINVAL;
	if (copy_from_user(name, va, (size_t)len) != 0)
		return -EFAULT;
	spin_lock(&name_lock);
	memcpy(nodename, name, UTS_BYTES);
	spin_unlock(&name_lock);
	return 0;
}

/* ---- load ---- */

#define LOAD_PERIOD_NS (5 * NS_PER_SEC)
#define LOAD_ONE       UINT64_C(65536)

static uint64_t loads_now[3]; /* times LOAD_ONE; written by CPU 0's tick only */
static uint64_t load_next_ns HOT_DATA;

/* Every five seconds each average keeps exp(-5 s / its span) of itself. */
void load_tick(uint64_t now_ns)
{
	static const uint64_t keep[3] = {60296, 64453, 65173}; /* of 65536: 60, 300, 900 s */
	struct sched_stats st;
	if (now_ns < load_next_ns)
		return;
	load_next_ns = now_ns + LOAD_PERIOD_NS;
	sched_stats(&st);
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++) {
		uint64_t v = loads_now[i] * keep[i] + st.runnable * LOAD_ONE * (LOAD_ONE - keep[i]);
		__atomic_store_n(&loads_now[i], v / LOAD_ONE, __ATOMIC_RELAXED);
	}
}

void load_average(uint64_t loads[3])
{
	for (unsigned i = 0; i < 3; i++)
		loads[i] = __atomic_load_n(&loads_now[i], __ATOMIC_RELAXED);
}

_Static_assert(sizeof(struct user_sysinfo) == 112, "struct sysinfo");

void sysinfo_fill(struct user_sysinfo *si)
{
	struct page_stats ps;
	unsigned threads = 0;
	memset(si, 0, sizeof(*si));
	page_stats(&ps);
	si->uptime = (int64_t)(clock_ns() / NS_PER_SEC);
	load_average(si->loads);
	si->totalram = ps.total * PAGE_SIZE;
	si->freeram = ps.free * PAGE_SIZE;
	si->mem_unit = 1;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all)
		threads += p->nthreads;
	spin_unlock_irqrestore(&task_lock, flags);
	si->procs = (uint16_t)threads;
}

SYSCALL1(sysinfo, uint64_t, va)
{
	struct user_sysinfo si;
	sysinfo_fill(&si);
	return copy_to_user(va, &si, sizeof(si));
}

/* No log is kept: printk() writes to the console at once. So its size is 0, and what would read or
 * clear it, or change the console's level, is not permitted. */
SYSCALL1(syslog, int, type)
{
	enum { CLOSE = 0, OPEN = 1, SIZE_UNREAD = 9, SIZE_BUFFER = 10 };
	if (type < CLOSE || type > SIZE_BUFFER)
		return -EINVAL;
	if (type == CLOSE || type == OPEN || type == SIZE_UNREAD || type == SIZE_BUFFER)
		return 0;
	return -EPERM;
}

/* ---- the end ---- */

static noreturn void machine_halt(void)
{
	printk("System halted\n");
	cpu_stop_others();
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

static bool reboot_magic_ok(uint32_t magic1, uint32_t magic2)
{
	return magic1 == 0xfee1dead && (magic2 == 0x28121969 || magic2 == 0x05121996 ||
					magic2 == 0x16041998 || magic2 == 0x20112000);
}

/* All files are in memory: there is nothing to write back first. */
SYSCALL3(reboot, uint32_t, magic1, uint32_t, magic2, uint32_t, command)
{
	if (current->proc->cred.euid != 0)
		return -EPERM;
	if (!reboot_magic_ok(magic1, magic2))
		return -EINVAL;
	switch (command) {
	case 0x4321fedc: /* RB_POWER_OFF */
		machine_poweroff();
	case 0xcdef0123: /* RB_HALT_SYSTEM */
		machine_halt();
	case 0x01234567: /* RB_AUTOBOOT */
	case 0xa1b2c3d4: /* ... with a command string for a boot loader; there is none */
		machine_reboot();
	case 0x89abcdef: /* RB_ENABLE_CAD: the serial console has no such keys */
	case 0x00000000: /* RB_DISABLE_CAD */
		return 0;
	default:
		return -EINVAL;
	}
}
