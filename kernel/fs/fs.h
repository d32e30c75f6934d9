/* SPDX-License-Identifier: MIT */
/* What the files of kernel/fs share. Locks, outermost first: file->pos_lock, rename_lock,
 * inode->lock (two directories' only under rename_lock; parent before child), then the spin locks.
 * User memory is touched with pos_lock at most. */
#ifndef KERNEL_FS_FS_H
#define KERNEL_FS_FS_H

#include "page.h"
#include "printk.h"
#include "slab.h"
#include "spinlock.h"
#include "sync.h"
#include "vfs.h"

enum {
	S_ISUID = 04000,
	S_ISGID = 02000,
	S_ISVTX = 01000,
	RENAME_NOREPLACE = 1,
	RENAME_EXCHANGE = 2,
	O_NOATIME = 01000000,
	O_TMPFILE_BIT = 020000000,
	O_LARGEFILE = 0100000,
	O_DIRECT = 040000,
	O_SYNC = 04010000,
	O_ASYNC = 020000,
	MODE_BITS = 07777,
};

static inline bool mode_is(uint32_t mode, uint32_t type)
{
	return (mode & S_IFMT) == type;
}

/* ---- inode.c: inodes of any file system */
/* A fresh inode: refs 1, nlink 1, a number of its own, all times now, DEV_ROOT, everything else
 * zero; NULL when out of memory. The caller sets ops, iops, priv. */
struct inode *inode_alloc(uint32_t mode);
/* Truncates a regular file of the tree in memory, unless it is run as a program. */
int inode_cut(struct inode *in, uint64_t size);
uint64_t inode_new_number(void);
uint64_t now_ns(void);       /* since the epoch */
extern spinlock_t tree_lock; /* ->parent and ->name of directories, nlink of everything */
extern struct inode *root_inode;

/* ---- namei.c: paths */
struct fs_info {
	int refs;
	spinlock_t lock;
	struct inode *root, *cwd; /* references */
	uint32_t umask;
};

enum walk_flags {
	WALK_FOLLOW = 1, /* follow a symbolic link in the last place */
	WALK_EMPTY = 2,  /* "" names the starting point itself */
	WALK_PARENT = 4, /* for creating, removing and renaming the last name: it is never followed,
			  * and a slash after it is the caller's to judge */
};
enum walk_last { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

struct walk {
	struct inode *dir;   /* that holds the last name; NULL unless last == LAST_NAME */
	struct inode *inode; /* what was found; NULL: nothing (only if dir is set) */
	enum walk_last last;
	bool slash; /* a slash followed the last name: it must be a directory */
	char name[MAX_NAME + 1];
};
/* 0 with references in *w (drop by walk_end), or -errno with none. */
int path_walk(int dirfd, const char *path, unsigned flags, struct walk *w);
void walk_end(struct walk *w);
/* Just the inode, with a reference; -ENOENT if there is none. */
struct inode *path_inode(int dirfd, const char *path, unsigned flags);
/* The same for a path in user memory. */
struct inode *user_path_inode(int dirfd, uint64_t path, unsigned flags);
/* AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH as walk flags (stat.c). */
unsigned walk_flags_of_at(uint32_t flags);
/* What "/" means to the current task: a reference. */
struct inode *current_root(void);
/* A kmalloc'ed copy of a user path, or err_ptr. "" is -ENOENT unless `empty_ok`. */
char *path_from_user(uint64_t va, bool empty_ok);
/* Writes the absolute path of a directory (as the current root sees it): its length, -ENOENT if it
 * was removed, -ERANGE if n is too small. */
long dir_path(struct inode *dir, char *buf, size_t n);
/* Of task->fs: a reference. */
struct inode *fs_info_cwd(struct fs_info *fi);
struct inode *fs_info_root(struct fs_info *fi);
/* The link's text, with an end, in a kmalloc'ed buffer; or err_ptr. */
char *inode_link_text(struct inode *in);

/* ---- ramfs*.c: the tree in memory */
extern const struct file_ops ramfs_file_ops, ramfs_dir_ops;
struct inode *ramfs_inode(uint32_t mode, uint64_t rdev); /* not yet in a directory, nlink 0 or 2 */
uint64_t ramfs_pages(const struct inode *in);            /* that its contents take */
void *ramfs_dir_create(void);
void ramfs_dir_destroy(struct inode *dir);
void ramfs_evict(struct inode *in);
bool ramfs_is(const struct inode *in);
/* A reference, or err_ptr(-ENOENT). dir->lock held. */
struct inode *ramfs_lookup(struct inode *dir, const char *name);
/* Makes an inode and its name; *out (may be NULL) gets a reference. link: text of a symlink. */
int ramfs_create(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
		 const char *link, struct inode **out);
int ramfs_link(struct inode *dir, const char *name, struct inode *in);
int ramfs_unlink(struct inode *dir, const char *name);
int ramfs_rmdir(struct inode *dir, const char *name);
int ramfs_rename(struct inode *odir, const char *oname, struct inode *ndir, const char *nname,
		 unsigned flags, bool must_dir);
int ramfs_truncate(struct inode *in, uint64_t size);
int ramfs_fallocate(struct inode *in, uint64_t pos, uint64_t n, bool keep_size);
int ramfs_punch(struct inode *in, uint64_t pos, uint64_t n);
long ramfs_pwrite(struct inode *in, const void *buf, size_t n, uint64_t pos);
void ramfs_usage(uint64_t *total, uint64_t *free, uint64_t *inodes);
extern struct mutex rename_lock;

/* For boot code (devfs, procfs, cpio): absolute paths; mkdir_p makes every missing directory and
 * returns the last with a reference, or err_ptr. mknod: 0 or -errno (-EEXIST). */
struct inode *ramfs_mkdir_p(const char *path, uint32_t mode);
int ramfs_mknod(const char *path, uint32_t mode, uint64_t rdev);
int ramfs_symlink(const char *text, const char *path);
/* Takes every name below dir away; what is open stays until it is closed. */
void ramfs_clear(struct inode *dir);

/* ---- mount.c */
/* Makes `root` (a directory inode, its reference is taken over) appear at the directory `path`,
 * which is made if missing. For boot code: a program that mounts the same type there later is told
 * that it worked. */
int mount_at(const char *path, struct inode *root, const char *type);
/* If something is mounted on *in, replaces the reference by one to its root. */
void mount_cross(struct inode **in);
/* The type of the file system `in` belongs to, for statfs and /proc/mounts. */
const char *mount_type(const struct inode *in);
/* Calls emit(arg, path, type) for each mount, the root first. */
void mount_each(void (*emit)(void *arg, const char *path, const char *type), void *arg);

/* ---- file.c */
/* A file on inode `in` (takes a reference of its own) through ops->open; err_ptr(). path may be
 * NULL and is copied. */
struct file *file_on_inode(struct inode *in, uint32_t flags, const char *path);
struct file *file_open_at(int dirfd, const char *path, uint32_t flags, uint32_t mode);
/* fd_get(), but NULL for an O_PATH file as well. */
struct file *fd_get_io(int fd);

/* ---- fdtable.c */
/* For the time of one system call: fd_get() that needs no count, and so no locked instruction,
 * where nobody else has the table, as then nobody else can close fd meanwhile. In a system call
 * only. */
struct fd_loan {
	struct file *file; /* NULL: bad */
	bool counted;
};
struct fd_loan fd_borrow(int fd);
static inline void fd_return(struct fd_loan l)
{
	if (l.counted)
		file_put(l.file);
}
/* As fd_install(), at or above min; the file's reference is taken over unless it fails. */
int fd_install_from(struct file *f, bool cloexec, unsigned min);
int fd_close(int fd);
/* Of any task's table, for /proc/PID/fd: a reference or NULL. */
struct file *files_get_file(struct files *fs, int fd);
int fd_set_cloexec(int fd, bool on); /* 0 or -EBADF */
int fd_get_cloexec(int fd);          /* 0, 1 or -EBADF */

/* ---- pipe.c */
extern const struct file_ops pipe_ops; /* pipes and named FIFOs */

/* ---- locks.c: flock and record locks */
void locks_file_released(struct file *f);
void locks_inode_closed(struct inode *in, struct files *owner);
long lock_fcntl(struct file *f, unsigned cmd, uint64_t arg);

/* ---- dev's: devfs.c. NULL if there is no such device. */
const struct file_ops *chardev_ops(uint64_t rdev);

#endif
