/* SPDX-License-Identifier: MIT */
/* Mounts: a small table from a covered directory to the root directory that appears there.
 *
 * /proc and /dev are there from boot on, but programs made for Linux expect to mount them: the
 * first mount of what is already in place is told that it worked. Unmounting always detaches (as
 * MNT_DETACH does): what is open stays usable until it is closed. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

#define MAX_MOUNTS 32

struct mount {
	struct inode *covered, *root; /* references; covered NULL: a free slot */
	char type[16];
	char path[256]; /* as mounted, for people; cut if long */
	bool automatic; /* made at boot, and no program has asked for it yet */
};

static struct mount mounts[MAX_MOUNTS];
static spinlock_t mount_lock = SPINLOCK_INIT;
static uint32_t next_dev = DEV_FIRST_TMPFS;
static bool devtmpfs_asked; /* /dev is part of the root file system */

void vfs_init(void)
{
	root_inode = ramfs_inode(S_IFDIR | 0755, 0);
	if (root_inode == NULL)
		panic("no memory for the root directory");
}

void mount_cross(struct inode **in)
{
	while ((*in)->mounted_on) {
		struct inode *root = NULL;
		spin_lock(&mount_lock);
		for (unsigned i = 0; i < MAX_MOUNTS; i++)
			if (mounts[i].covered == *in)
				root = mounts[i].root;
		if (root != NULL)
			inode_get(root);
		spin_unlock(&mount_lock);
		if (root == NULL)
			return;
		inode_put(*in);
		*in = root;
	}
}

/* Puts root (reference taken over if it works) on top of dir. */
static int attach(struct inode *dir, struct inode *root, const char *type, bool automatic)
{
	char *path = kmalloc(MAX_PATH);
	char *name = dir->name != NULL ? kstrdup(dir->name) : NULL;
	if (path == NULL || name == NULL || dir->parent == NULL) {
		kfree(path);
		kfree(name);
		return dir->parent == NULL ? -EBUSY : -ENOMEM;
	}
	if (dir_path(dir, path, MAX_PATH) < 0)
		path[0] = '\0';
	int err = -ENOMEM;
	spin_lock(&mount_lock);
	for (unsigned i = 0; i < MAX_MOUNTS && err != 0; i++) {
		struct mount *m = &mounts[i];
		if (m->covered != NULL)
			continue;
		inode_get(dir);
		m->covered = dir;
		m->root = root;
		m->automatic = automatic;
		strlcpy(m->type, type, sizeof(m->type));
		strlcpy(m->path, path, sizeof(m->path));
		dir->mounted_on = true;
		err = 0;
	}
	spin_unlock(&mount_lock);
	kfree(path);
	if (err != 0) {
		kfree(name);
		return err;
	}
	/* ".." of the new root, and its name, are those of the directory below it. */
	spin_lock(&tree_lock);
	struct inode *parent = dir->parent, *old_parent = root->parent;
	char *old_name = root->name;
	inode_get(parent);
	root->parent = parent;
	root->name = name;
	spin_unlock(&tree_lock);
	inode_put(old_parent);
	kfree(old_name);
	return 0;
}

int mount_at(const char *path, struct inode *root, const char *type)
{
	struct inode *dir = ramfs_mkdir_p(path, 0755);
	int err = is_err(dir) ? (int)ptr_err(dir) : attach(dir, root, type, true);
	if (!is_err(dir))
		inode_put(dir);
	if (err != 0)
		inode_put(root);
	return err;
}

const char *mount_type(const struct inode *in)
{
	switch (in->dev) {
	case DEV_ROOT:
		return "rootfs";
	case DEV_PIPE:
		return "pipefs";
	case DEV_PROC:
		return "proc";
	default:
		return "tmpfs";
	}
}

void mount_each(void (*emit)(void *arg, const char *path, const char *type), void *arg)
{
	struct mount copy;
	emit(arg, "/", "rootfs");
	for (unsigned i = 0; i < MAX_MOUNTS; i++) {
		spin_lock(&mount_lock);
		copy = mounts[i];
		spin_unlock(&mount_lock);
		if (copy.covered != NULL)
			emit(arg, copy.path, copy.type);
	}
}

/* Is `in` the root of a mount of this type (NULL: any)? -EBUSY, or 0 if it was automatic and nobody
 * asked yet; -ENOENT if it is no such root. */
static int claim(const struct inode *in, const char *type)
{
	int r = -ENOENT;
	spin_lock(&mount_lock);
	for (unsigned i = 0; i < MAX_MOUNTS; i++) {
		struct mount *m = &mounts[i];
		if (m->covered == NULL || m->root != in || (type && strcmp(m->type, type) != 0))
			continue;
		r = m->automatic ? 0 : -EBUSY;
		m->automatic = false;
	}
	spin_unlock(&mount_lock);
	return r;
}

static long mount_tmpfs(struct inode *dir, const char *type)
{
	struct inode *root = ramfs_inode(S_IFDIR | S_ISVTX | 0777, 0);
	if (root == NULL)
		return -ENOMEM;
	root->dev = __atomic_fetch_add(&next_dev, 1, __ATOMIC_RELAXED);
	int err = attach(dir, root, type, false);
	if (err != 0)
		inode_put(root);
	return err;
}

static long mount_devtmpfs(const struct inode *dir)
{
	struct inode *dev = path_inode(AT_FDCWD, "/dev", WALK_FOLLOW);
	bool here = !is_err(dev) && dev == dir;
	if (!is_err(dev))
		inode_put(dev);
	if (!here)
		return -ENODEV; /* the device nodes exist once, in /dev */
	return __atomic_exchange_n(&devtmpfs_asked, true, __ATOMIC_RELAXED) ? -EBUSY : 0;
}

enum { MS_RDONLY = 1, MS_REMOUNT = 32, MS_BIND = 4096, MS_MOVE = 8192, MS_PROPAGATION = 0x1e0000 };

static long mount_on(struct inode *dir, const char *type, uint64_t flags)
{
	if (!mode_is(dir->mode, S_IFDIR))
		return -ENOTDIR;
	if (flags & MS_REMOUNT) {
		if (dir != root_inode && claim(dir, NULL) == -ENOENT)
			return -EINVAL;
		return flags & MS_RDONLY ? -EINVAL : 0; /* all mounts are read-write */
	}
	if (flags & (MS_BIND | MS_MOVE | MS_PROPAGATION | MS_RDONLY))
		return -EINVAL;
	if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0)
		return mount_tmpfs(dir, type);
	if (strcmp(type, "devtmpfs") == 0)
		return mount_devtmpfs(dir);
	int r = strcmp(type, "proc") == 0 ? claim(dir, type) : -ENODEV;
	return r == -ENOENT ? -EBUSY : r; /* there is one /proc */
}

/* The fifth argument, options, is not looked at: no file system here has any that matter. */
SYSCALL4(mount, uint64_t, source, uint64_t, target, uint64_t, type, uint64_t, flags)
{
	(void)source;
	char name[32] = "";
	if (type != 0) {
		long n = strncpy_from_user(name, type, sizeof(name));
		if (n < 0)
			return n == -ENAMETOOLONG ? -ENODEV : n;
	}
	struct inode *dir = user_path_inode(AT_FDCWD, target, WALK_FOLLOW);
	if (is_err(dir))
		return ptr_err(dir);
	long r = mount_on(dir, name, flags);
	inode_put(dir);
	return r;
}

SYSCALL2(umount2, uint64_t, target, uint32_t, flags)
{
	enum { MNT_FORCE = 1, MNT_DETACH = 2, UMOUNT_NOFOLLOW = 8 };
	if (flags & ~(uint32_t)(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	struct inode *in =
		user_path_inode(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW);
	if (is_err(in))
		return ptr_err(in);
	struct inode *covered = NULL;
	spin_lock(&mount_lock);
	for (unsigned i = 0; i < MAX_MOUNTS; i++) {
		if (mounts[i].covered == NULL || mounts[i].root != in)
			continue;
		covered = mounts[i].covered;
		covered->mounted_on = false;
		mounts[i].covered = mounts[i].root = NULL;
		break;
	}
	spin_unlock(&mount_lock);
	if (covered != NULL) {
		if (ramfs_is(in))
			ramfs_clear(in);
		inode_put(in); /* the table's reference */
		inode_put(covered);
	}
	inode_put(in);
	return covered != NULL ? 0 : -EINVAL;
}

_Static_assert(sizeof(struct k_statfs) == 120, "struct statfs drifted");

static int put_statfs(const struct inode *in, uint64_t buf)
{
	enum { PROC_MAGIC = 0x9fa0, TMPFS_MAGIC = 0x01021994, PIPE_MAGIC = 0x50495045 };
	struct k_statfs st = {
		.type = in->dev == DEV_PROC   ? PROC_MAGIC
			: in->dev == DEV_PIPE ? PIPE_MAGIC
					      : TMPFS_MAGIC,
		.bsize = (int64_t)PAGE_SIZE,
		.frsize = (int64_t)PAGE_SIZE,
		.fsid = {(int32_t)in->dev, 0},
		.namelen = MAX_NAME,
	};
	if (ramfs_is(in)) {
		ramfs_usage(&st.blocks, &st.bfree, &st.files);
		st.bavail = st.bfree;
		st.ffree = st.bfree;
		st.files += st.ffree;
	}
	return in_ia32_call() ? ia32_statfs_to_user(buf, &st) : copy_to_user(buf, &st, sizeof(st));
}

SYSCALL2(statfs, uint64_t, path, uint64_t, buf)
{
	struct inode *in = user_path_inode(AT_FDCWD, path, WALK_FOLLOW);
	if (is_err(in))
		return ptr_err(in);
	long r = put_statfs(in, buf);
	inode_put(in);
	return r;
}

SYSCALL2(fstatfs, int, fd, uint64_t, buf)
{
	struct file *f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	long r = put_statfs(f->inode, buf);
	file_put(f);
	return r;
}
