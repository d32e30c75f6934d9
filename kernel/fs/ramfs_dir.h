/* SPDX-License-Identifier: MIT */
/* Inside of the directories in memory: ramfs_dir.c and ramfs_rename.c. */
#ifndef KERNEL_FS_RAMFS_DIR_H
#define KERNEL_FS_RAMFS_DIR_H

#include "fs.h"

#define DIR_MIN_BUCKETS    8
#define DIR_FIRST_POSITION 2 /* after "." and ".." */

struct ram_entry {
	struct list order;
	struct ram_entry *chain;
	uint64_t position;
	struct inode *inode; /* a reference */
	uint32_t hash;
	char name[];
};

struct ram_dir {
	struct ram_entry **buckets;
	size_t nbuckets, count;
	struct list order; /* by position */
	uint64_t next_position;
};

/* All with dir->lock held. */
struct ram_entry *dir_find(struct inode *dir, const char *name);
void dir_insert(struct inode *dir, struct ram_entry *e, struct inode *in); /* takes the reference */
void dir_remove(struct inode *dir, struct ram_entry *e);                   /* frees nothing */
/* Not in any directory yet; err_ptr(). */
struct ram_entry *entry_alloc(const char *name);
void nlink_add(struct inode *in, int n);
int dir_lock_empty(struct inode *in);

#endif
