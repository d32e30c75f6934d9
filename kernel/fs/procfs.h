/* SPDX-License-Identifier: MIT */
/* Inside of /proc: procfs*.c. */
#ifndef KERNEL_FS_PROCFS_H
#define KERNEL_FS_PROCFS_H

#include "fs.h"
#include "seq.h"
#include "task.h"

enum { USER_HZ = 100, DT_DIR = 4, DT_REG = 8, DT_LNK = 10 };

static inline uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / (1000000000 / USER_HZ);
}

/* A node of the fixed tree. Never freed; siblings are only ever appended. */
struct proc_entry {
	struct proc_entry *next, *children;
	uint64_t ino;
	uint32_t mode;
	void (*show)(struct seq *s);           /* files */
	long (*readlink)(char *buf, size_t n); /* links */
	int (*store)(const char *text);        /* files that may be written; 0 or -errno */
	char name[32];
};

/* What lies in the directory of a process, /proc/PID, or of a thread, /proc/PID/task/TID. */
struct pid_entry {
	char name[12];
	uint32_t mode;
	bool process_only;                          /* not below task/TID */
	int (*show)(struct seq *s, struct task *t); /* files: 0 or -errno */
	long (*readlink)(struct task *t, int fd, char *buf, size_t n);
	struct inode *(*follow)(struct task *t, int fd);
	/* Directories. As inode_ops and file_ops, "." and ".." (positions 0 and 1) done. */
	struct inode *(*lookup)(struct inode *dir, const char *name);
	int (*readdir)(struct file *f, uint64_t *pos,
		       bool (*emit)(void *arg, const char *name, uint64_t ino, unsigned dtype),
		       void *arg);
};

struct proc_node {                      /* inode->priv */
	const struct proc_entry *entry; /* of the fixed tree, else NULL and: */
	const struct pid_entry *pid;    /* NULL: the directory of `task` itself */
	struct task *task;              /* a reference */
	bool thread;                    /* below task/TID */
	int fd;                         /* the entry of fd/, else -1 */
};

typedef bool emit_fn(void *arg, const char *name, uint64_t ino, unsigned dtype);

/* ---- procfs.c */
/* An inode of a process's part of the tree, or err_ptr. Takes a reference to t of its own. */
struct inode *procfs_inode(const struct pid_entry *pid, struct task *t, bool thread, int fd);
uint64_t procfs_number(const struct pid_entry *pid, int tid, bool thread, int fd);
/* A decimal number without a sign or leading zeros; -1 if the name is none. */
int procfs_parse_number(const char *name);
/* Into the fixed tree, directories made as needed. 0, -ENOMEM, -EEXIST, -ENAMETOOLONG. */
int procfs_add(const char *path, uint32_t mode, void (*show)(struct seq *s),
	       long (*readlink)(char *buf, size_t n));

/* ---- procfs_pid.c */
struct inode *procfs_pid_lookup(struct inode *dir, const char *name);
int procfs_pid_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg);
extern const struct pid_entry procfs_fd_entry; /* one link in fd/ */
unsigned procfs_pid_index(const struct pid_entry *pid);
/* -ESRCH if the process was reaped, else 0. */
int procfs_alive(struct task *t);

/* ---- procfs_links.c: fd/, cwd, root, exe */
long procfs_exe_text(struct task *t, int fd, char *buf, size_t n);
struct inode *procfs_exe(struct task *t, int fd);
long procfs_cwd_text(struct task *t, int fd, char *buf, size_t n);
struct inode *procfs_cwd(struct task *t, int fd);
long procfs_root_text(struct task *t, int fd, char *buf, size_t n);
struct inode *procfs_root(struct task *t, int fd);
struct inode *procfs_fd_lookup(struct inode *dir, const char *name);
int procfs_fd_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg);
long procfs_fd_text(struct task *t, int fd, char *buf, size_t n);
struct inode *procfs_fd(struct task *t, int fd);
/* An absolute path of a file or directory of the tree, of several the one with the name `hint`: its
 * length, or -ENOENT. Slow for files. */
long procfs_inode_path(struct inode *in, const char *hint, char *buf, size_t n);

/* ---- procfs_stat.c, procfs_maps.c: the text files of a process */
int procfs_pid_stat(struct seq *s, struct task *t);
int procfs_pid_statm(struct seq *s, struct task *t);
int procfs_pid_status(struct seq *s, struct task *t);
int procfs_pid_comm(struct seq *s, struct task *t);
int procfs_pid_limits(struct seq *s, struct task *t);
int procfs_pid_cmdline(struct seq *s, struct task *t);
int procfs_pid_environ(struct seq *s, struct task *t);
int procfs_pid_maps(struct seq *s, struct task *t);
int procfs_pid_mounts(struct seq *s, struct task *t);

/* ---- procfs_kernel.c */
void procfs_kernel_init(void);

#endif
