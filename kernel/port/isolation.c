/* SPDX-License-Identifier: MIT */
/*
 * Isolation at run time: for the machine by /proc/sys/kernel/kaiser, for one process by prctl. Both
 * weaken everybody's protection, so both ask for the superuser.
 *
 * What opts out is an address space: all threads in it, and who shares it by CLONE_VM. A fork
 * inherits it. An exec makes a new space, which inherits it only if the caller is the superuser, so
 * that a privileged program may start another without isolation, and an unprivileged one cannot.
 */
#include "errno.h"
#include "mm.h"
#include "port.h"
#include "sync.h"
#include "task.h"
#include "vfs.h"

/* Serialises what kaiser.h wants to be serialised. Outermost but for what exec and exit hold. */
static struct mutex lock = MUTEX_INIT(lock);

void port_isolation_lock(void)
{
	mutex_lock(&lock);
}

void port_isolation_unlock(void)
{
	mutex_unlock(&lock);
}

void port_isolate(struct kaiser_space *s, bool isolate)
{
	mutex_lock(&lock);
	kaiser_space_isolate(s, isolate);
	mutex_unlock(&lock);
}

void port_isolation_fork(struct mm *child, const struct mm *parent)
{
	if (parent->space.opted_out)
		port_isolate(&child->space, false);
}

void port_isolation_exec(struct mm *fresh)
{
	const struct mm *old = current->mm;

	if (old && old->space.opted_out && current->proc->cred.euid == 0)
		port_isolate(&fresh->space, false);
}

long port_prctl_isolate(uint64_t on)
{
	if (on > 1)
		return -EINVAL;
	if (!on && current->proc->cred.euid != 0)
		return -EPERM;
	port_isolate(&current->mm->space, on);
	return 0;
}

const char *port_isolation_word(const struct mm *mm)
{
	return !__atomic_load_n(&kaiser.policy.isolate, __ATOMIC_RELAXED) ? "off"
	       : mm->space.opted_out                                      ? "opted out"
									  : "isolated";
}

static void show(struct seq *s)
{
	seq_printf(s, "%s\n", kaiser.policy.isolate ? "on" : "off");
}

static int store(const char *text)
{
	static const struct {
		const char *word;
		enum kaiser_mode mode;
	} words[] = {{"0", KAISER_OFF},
		     {"off", KAISER_OFF},
		     {"1", KAISER_ON},
		     {"on", KAISER_ON},
		     {"auto", KAISER_AUTO}};

	if (current->proc->cred.euid != 0)
		return -EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i].word) != 0)
			continue;
		mutex_lock(&lock);
		kaiser_set_mode(&kaiser, words[i].mode);
		mutex_unlock(&lock);
		return 0;
	}
	return -EINVAL;
}

void port_isolation_init(void)
{
	procfs_register_switch("sys/kernel/kaiser", show, store);
}
