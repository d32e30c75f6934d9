/* SPDX-License-Identifier: MIT */
/* Directories in memory. An entry is in a hash chain, for look-ups, and in a list ordered by a
 * number that only grows: that number is the position readdir hands out, so it stays good while
 * entries come and go. dir->lock protects both. A removed directory has nlink 0 and takes no new
 * entries.
 *
 * Whatever needs two directories' locks holds rename_lock first; so does whatever changes a
 * ->parent, which is why rename may walk up the tree. */
#include "ramfs_dir.h"

struct mutex rename_lock = MUTEX_INIT(rename_lock);

static uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261U;
	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619U;
	return h;
}

void *ramfs_dir_create(void)
{
	struct ram_dir *d = kzalloc(sizeof(*d));
	if (d == NULL)
		return NULL;
	d->buckets = kzalloc(DIR_MIN_BUCKETS * sizeof(*d->buckets));
	if (d->buckets == NULL) {
		kfree(d);
		return NULL;
	}
	d->nbuckets = DIR_MIN_BUCKETS;
	d->next_position = DIR_FIRST_POSITION;
	list_init(&d->order);
	return d;
}

void ramfs_dir_destroy(struct inode *dir)
{
	struct ram_dir *d = dir->priv;
	list_for_each_entry_safe (e, n, &d->order, struct ram_entry, order) {
		inode_put(e->inode);
		kfree(e);
	}
	kfree(d->buckets);
	kfree(d);
}

struct ram_entry *dir_find(struct inode *dir, const char *name)
{
	struct ram_dir *d = dir->priv;
	uint32_t h = name_hash(name);
	for (struct ram_entry *e = d->buckets[h % d->nbuckets]; e != NULL; e = e->chain)
		if (e->hash == h && strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

struct ram_entry *entry_alloc(const char *name)
{
	size_t n = strlen(name);
	if (n > MAX_NAME)
		return err_ptr(-ENAMETOOLONG);
	struct ram_entry *e = kzalloc(sizeof(*e) + n + 1);
	if (e == NULL)
		return err_ptr(-ENOMEM);
	memcpy(e->name, name, n + 1);
	e->hash = name_hash(name);
	list_init(&e->order);
	return e;
}

/* More buckets are only faster: if there is no memory for them, the old ones do. */
static void dir_grow(struct ram_dir *d)
{
	size_t n = d->nbuckets * 2;
	struct ram_entry **b = kzalloc(n * sizeof(*b));
	if (b == NULL)
		return;
	list_for_each_entry (e, &d->order, struct ram_entry, order) {
		e->chain = b[e->hash % n];
		b[e->hash % n] = e;
	}
	kfree(d->buckets);
	d->buckets = b;
	d->nbuckets = n;
}

void dir_insert(struct inode *dir, struct ram_entry *e, struct inode *in)
{
	struct ram_dir *d = dir->priv;
	if (d->count >= 2 * d->nbuckets)
		dir_grow(d);
	e->inode = in;
	e->position = d->next_position++;
	e->chain = d->buckets[e->hash % d->nbuckets];
	d->buckets[e->hash % d->nbuckets] = e;
	list_add_tail(&d->order, &e->order);
	d->count++;
	dir->mtime_ns = dir->ctime_ns = now_ns();
}

void dir_remove(struct inode *dir, struct ram_entry *e)
{
	struct ram_dir *d = dir->priv;
	struct ram_entry **p = &d->buckets[e->hash % d->nbuckets];
	while (*p != e)
		p = &(*p)->chain;
	*p = e->chain;
	list_del(&e->order);
	d->count--;
	dir->mtime_ns = dir->ctime_ns = now_ns();
}

void nlink_add(struct inode *in, int n)
{
	spin_lock(&tree_lock);
	in->nlink += (uint32_t)n;
	spin_unlock(&tree_lock);
}

struct inode *ramfs_lookup(struct inode *dir, const char *name)
{
	struct ram_entry *e = dir_find(dir, name);
	if (e == NULL)
		return err_ptr(-ENOENT);
	inode_get(e->inode);
	return e->inode;
}

static int insert_new(struct inode *dir, struct ram_entry *e, struct inode *in)
{
	if (dir->nlink == 0)
		return -ENOENT;
	if (dir_find(dir, e->name) != NULL)
		return -EEXIST;
	dir_insert(dir, e, in);
	inode_get(in);
	return 0;
}

int ramfs_create(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
		 const char *link, struct inode **out)
{
	if (!ramfs_is(dir))
		return -ENOENT;
	struct ram_entry *e = entry_alloc(name);
	if (is_err(e))
		return (int)ptr_err(e);
	bool is_dir = mode_is(mode, S_IFDIR);
	if (dir->mode & S_ISGID)
		mode |= is_dir ? S_ISGID : 0;
	struct inode *in = ramfs_inode(mode, rdev);
	int err = -ENOMEM;
	if (in == NULL)
		goto free_entry;
	in->dev = dir->dev;
	if (dir->mode & S_ISGID)
		in->gid = dir->gid;
	if (link != NULL) {
		in->priv = kstrdup(link);
		in->size = strlen(link);
		if (in->priv == NULL)
			goto put_inode;
	}
	if (is_dir) {
		in->name = kstrdup(name);
		if (in->name == NULL)
			goto put_inode;
	}
	mutex_lock(&dir->lock);
	err = insert_new(dir, e, in);
	if (err == 0) {
		if (is_dir) {
			inode_get(dir);
			in->parent = dir;
			nlink_add(dir, 1);
		} else {
			nlink_add(in, 1);
		}
	}
	mutex_unlock(&dir->lock);
	if (err == 0) {
		if (out != NULL)
			*out = in;
		else
			inode_put(in);
		return 0;
	}
put_inode:
	inode_put(in);
free_entry:
	kfree(e);
	return err;
}

int ramfs_link(struct inode *dir, const char *name, struct inode *in)
{
	if (mode_is(in->mode, S_IFDIR) || !ramfs_is(dir))
		return -EPERM;
	if (in->dev != dir->dev || !ramfs_is(in))
		return -EXDEV;
	struct ram_entry *e = entry_alloc(name);
	if (is_err(e))
		return (int)ptr_err(e);
	mutex_lock(&dir->lock);
	int err = insert_new(dir, e, in);
	if (err == 0) {
		nlink_add(in, 1);
		in->ctime_ns = now_ns();
	}
	mutex_unlock(&dir->lock);
	if (err != 0)
		kfree(e);
	return err;
}

int ramfs_unlink(struct inode *dir, const char *name)
{
	if (!ramfs_is(dir))
		return -EPERM;
	mutex_lock(&dir->lock);
	struct ram_entry *e = dir_find(dir, name);
	int err = e == NULL ? -ENOENT : mode_is(e->inode->mode, S_IFDIR) ? -EISDIR : 0;
	if (err == 0) {
		dir_remove(dir, e);
		nlink_add(e->inode, -1);
		e->inode->ctime_ns = now_ns();
	}
	mutex_unlock(&dir->lock);
	if (err == 0) {
		inode_put(e->inode);
		kfree(e);
	}
	return err;
}

/* For rmdir and rename: may this directory go? Its lock is taken and kept if so. */
int dir_lock_empty(struct inode *in)
{
	if (in->mounted_on)
		return -EBUSY;
	mutex_lock(&in->lock);
	const struct ram_dir *d = in->priv;
	if (d->count == 0)
		return 0;
	mutex_unlock(&in->lock);
	return -ENOTEMPTY;
}

int ramfs_rmdir(struct inode *dir, const char *name)
{
	if (!ramfs_is(dir))
		return -EPERM;
	mutex_lock(&rename_lock);
	mutex_lock(&dir->lock);
	struct ram_entry *e = dir_find(dir, name);
	int err = e == NULL ? -ENOENT : !mode_is(e->inode->mode, S_IFDIR) ? -ENOTDIR : 0;
	if (err == 0)
		err = dir_lock_empty(e->inode);
	if (err == 0) {
		dir_remove(dir, e);
		nlink_add(dir, -1);
		nlink_add(e->inode, -2);
		e->inode->ctime_ns = now_ns();
		mutex_unlock(&e->inode->lock);
	}
	mutex_unlock(&dir->lock);
	mutex_unlock(&rename_lock);
	if (err == 0) {
		inode_put(e->inode);
		kfree(e);
	}
	return err;
}

static int dir_readdir(struct file *f, uint64_t *pos,
		       bool (*emit)(void *arg, const char *name, uint64_t ino, unsigned dtype),
		       void *arg)
{
	struct inode *dir = f->inode;
	struct ram_dir *d = dir->priv;
	mutex_lock(&dir->lock);
	if (dir->nlink == 0)
		goto out;
	if (*pos == 0) {
		if (!emit(arg, ".", dir->ino, S_IFDIR >> 12))
			goto out;
		*pos = 1;
	}
	if (*pos == 1) {
		spin_lock(&tree_lock);
		uint64_t up = dir->parent != NULL ? dir->parent->ino : dir->ino;
		spin_unlock(&tree_lock);
		if (!emit(arg, "..", up, S_IFDIR >> 12))
			goto out;
		*pos = DIR_FIRST_POSITION;
	}
	list_for_each_entry (e, &d->order, struct ram_entry, order) {
		if (e->position < *pos)
			continue;
		*pos = e->position;
		if (!emit(arg, e->name, e->inode->ino, (e->inode->mode & S_IFMT) >> 12))
			goto out;
		*pos = e->position + 1;
	}
out:
	mutex_unlock(&dir->lock);
	return 0;
}

static long dir_read(unused struct file *f, unused void *buf, unused size_t n, unused uint64_t *pos)
{
	return -EISDIR;
}

const struct file_ops ramfs_dir_ops = {.read = dir_read, .readdir = dir_readdir};
