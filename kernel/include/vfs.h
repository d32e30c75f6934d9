/* SPDX-License-Identifier: MIT */
/* Files: one tree in memory, with device, pipe and /proc nodes in it. fs/. */
#ifndef KERNEL_VFS_H
#define KERNEL_VFS_H

#include "base.h"
#include "list.h"
#include "page.h"
#include "spinlock.h"
#include "sync.h"

enum {
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
	S_IFLNK = 0120000,
	S_IFREG = 0100000,
	S_IFBLK = 0060000,
	S_IFDIR = 0040000,
	S_IFCHR = 0020000,
	S_IFIFO = 0010000,
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_RDWR = 2,
	O_ACCMODE = 3,
	O_CREAT = 0100,
	O_EXCL = 0200,
	O_NOCTTY = 0400,
	O_TRUNC = 01000,
	O_APPEND = 02000,
	O_NONBLOCK = 04000,
	O_DIRECTORY = 0200000,
	O_NOFOLLOW = 0400000,
	O_CLOEXEC = 02000000,
	O_PATH = 010000000,
	AT_FDCWD = -100,
	AT_SYMLINK_NOFOLLOW = 0x100,
	AT_REMOVEDIR = 0x200,
	AT_SYMLINK_FOLLOW = 0x400,
	AT_EMPTY_PATH = 0x1000,
	POLLIN = 1,
	POLLPRI = 2,
	POLLOUT = 4,
	POLLERR = 8,
	POLLHUP = 16,
	POLLNVAL = 32,
	SEEK_SET = 0,
	SEEK_CUR = 1,
	SEEK_END = 2,
	MAX_PATH = 4096,
	MAX_NAME = 255,
};

struct file;
struct inode;
struct waiter;
struct tty;

struct poll_table; /* fs/poll.c: collects the queues a poll() sleeps on */
void poll_wait(struct poll_table *pt, struct waitq *q);

/* buf is a kernel buffer in all of these (the system calls copy, in chunks). Bytes or -errno. */
struct file_ops {
	long (*read)(struct file *f, void *buf, size_t n, uint64_t *pos);
	long (*write)(struct file *f, const void *buf, size_t n, uint64_t *pos);
	int (*open)(struct inode *in, struct file *f);
	void (*release)(struct file *f); /* the last reference went */
	long (*ioctl)(struct file *f, unsigned cmd, uint64_t arg);
	unsigned (*poll)(struct file *f, struct poll_table *pt);
	/* Calls emit for the entries from position *pos on ("." and ".." too), with *pos still at
	 * that entry; when it returns true moves *pos past it, when false stops there. */
	int (*readdir)(struct file *f, uint64_t *pos,
		       bool (*emit)(void *arg, const char *name, uint64_t ino, unsigned dtype),
		       void *arg);
};

/* What the name space asks of an inode. Inodes of the tree in memory have none of these (NULL). */
struct inode_ops {
	/* Directories: the entry, with a reference for the caller; err_ptr(-ENOENT). Never asked
	 * for
	 * "." or "..": the walk sets ->parent and ->name of the directories it gets. dir->lock is
	 * not held; may sleep. */
	struct inode *(*lookup)(struct inode *dir, const char *name);
	/* Links: the text without an end; its length (at most n) or -errno. */
	long (*readlink)(struct inode *in, char *buf, size_t n);
	/* Links that lead straight to an inode (/proc/PID/fd/N, exe, cwd), with a reference;
	 * optional: without it the text is followed. */
	struct inode *(*follow)(struct inode *in);
	/* The last reference went: frees ->priv. Optional. May sleep. */
	void (*evict)(struct inode *in);
	/* Before stat: brings size, times and the like up to date. Optional. */
	void (*getattr)(struct inode *in);
};

struct inode {
	int refs;     /* atomic */
	uint32_t dev; /* st_dev: DEV_* below */
	uint64_t ino;
	uint32_t mode; /* S_IF* and permissions */
	uint32_t uid, gid, nlink;
	uint64_t size;
	uint64_t rdev; /* of devices: major << 8 | minor, as Linux's old encoding */
	uint64_t atime_ns, mtime_ns, ctime_ns;
	struct mutex lock; /* contents */
	const struct file_ops *ops;
	const struct inode_ops *iops; /* NULL: the tree in memory */
	void *priv;                   /* the file system's: pages, children, symlink text */
	struct inode *parent;         /* directories: one reference; NULL for a root. tree_lock */
	char *name;            /* directories: in the parent; kmalloc'ed or NULL. tree_lock */
	bool mounted_on;       /* something is mounted here: see mount.c */
	int writers;           /* open for writing; negative: run as a program. Atomic */
	struct mutex cut_lock; /* one truncation at a time; before any mm's lock */
	spinlock_t map_lock;   /* the next two; innermost */
	struct list mappings;  /* vma.map_link of every area that shows this file */
	uint64_t cuts;         /* truncations so far: mm/filemap.c */
};

enum { DEV_ROOT = 1, DEV_PIPE = 2, DEV_PROC = 3, DEV_FIRST_TMPFS = 16 };

struct file {
	int refs;       /* atomic */
	uint32_t flags; /* O_* as opened and set by fcntl */
	bool at_pos;    /* read and write at pos, which pos_lock guards: files and directories */
	uint64_t pos;
	struct mutex pos_lock;
	struct inode *inode;
	const struct file_ops *ops;
	void *priv;
	char *path; /* absolute, for /proc/PID/fd and cwd; may be NULL */
};

void inode_get(struct inode *in);
void inode_put(struct inode *in);
void file_get(struct file *f);
void file_put(struct file *f);

/* A file is written to or run, not both. 0, which its opposite ends, or -ETXTBSY. */
int inode_begin_write(struct inode *in);
void inode_end_write(struct inode *in);
int inode_begin_exec(struct inode *in);
void inode_end_exec(struct inode *in);

/* Path look-up relative to the current task's cwd (or absolute). NULL-safe pointers: err_ptr(). */
struct file *file_open(const char *path, uint32_t flags, uint32_t mode);
/* Kernel-buffer I/O at an offset: bytes or -errno. exec and mmap read through this. */
long file_pread(struct file *f, void *buf, size_t n, uint64_t pos);
long inode_pread(struct inode *in, void *buf, size_t n, uint64_t pos);

/* The page of a regular file that holds byte offset `pos` (page aligned), with a reference for the
 * caller: the frame itself, shared with read and write, for mmap. Filled holes are allocated when
 * `write`; for a read of a hole it allocates too. err_ptr(-EIO) beyond the end, -ENOMEM. */
struct page *inode_get_page(struct inode *in, uint64_t pos, bool write);

/* A task's open files (fs/fdtable.c) and directory (fs/namei.c). fork: copy; CLONE_FILES: get. */
struct files *files_create(void);
struct files *files_copy(struct files *f);
/* Somebody else has a reference. */
bool files_shared(const struct files *f);
void files_get(struct files *f);
void files_put(struct files *f);
void files_close_on_exec(struct files *f);
struct file *fd_get(int fd);                  /* of current; a reference; NULL if bad */
int fd_install(struct file *f, bool cloexec); /* takes the reference over; fd or -EMFILE */
struct fs_info *fs_info_create(void);
struct fs_info *fs_info_copy(struct fs_info *f);
void fs_info_get(struct fs_info *f);
void fs_info_put(struct fs_info *f);

/* Boot. */
void vfs_init(void);
/* Unpacks a newc archive, plain or gzip, possibly several one after the other, into /. 0, or
 * -EINVAL with *why set to one clear sentence that names the offence and the offset. */
int initramfs_unpack(const void *data, size_t n, const char **why);
void devfs_init(void); /* /dev/{null,zero,full,random,urandom,console,tty,ttyS0} */
void procfs_init(void);
void tty_init(void);             /* the serial line; registers VEC_SERIAL */
struct file *console_open(void); /* /dev/console, read-write */

/* Job control (fs/tty.c), called by proc/. */
void tty_session_exit(struct tty *t, int sid); /* the session leader left: SIGHUP, detach */

/* procfs nodes of other subsystems: text made on open. Path is relative to /proc. */
struct seq;
void seq_printf(struct seq *s, const char *fmt, ...) printf_like(2, 3);
void procfs_register(const char *path, void (*show)(struct seq *s));
/* The same, and the superuser may write it: store() gets one word, returns 0 or -errno. Task
 * context. */
void procfs_register_switch(const char *path, void (*show)(struct seq *s),
			    int (*store)(const char *text));
/* /proc/cmdline; the text must stay. After procfs_init(). */
void procfs_set_cmdline(const char *text);

#endif
