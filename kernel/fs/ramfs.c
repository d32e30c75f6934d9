/* SPDX-License-Identifier: MIT */
/* Regular files in memory: single pages, found through a two-level index that grows as the file
 * does. A leaf is one page of 512 page pointers (2 MiB of file), the root an array of leaves. What
 * was never written is a hole and costs nothing.
 *
 * inode->lock protects index and size. A page that is mapped by a process has a second reference,
 * so that a file may shrink or go away under a mapping. */
#include "fs.h"
#include "mm.h"

#define LEAF_PAGES    512UL
#define LEAF_BYTES    (LEAF_PAGES * PAGE_SIZE)
#define MAX_LEAVES    65536UL
#define MAX_FILE_SIZE (MAX_LEAVES * LEAF_BYTES)

struct leaf {
	struct page *pages[LEAF_PAGES];
};

struct ram_data {
	struct leaf **leaves;
	size_t capacity; /* of leaves */
	uint64_t pages;  /* allocated */
};

static uint64_t pages_used, inodes_used;

static uint64_t pages_limit(void)
{
	static uint64_t limit; /* two CPUs that find it zero store the same */
	if (limit == 0) {
		struct page_stats st;
		page_stats(&st);
		limit = st.total - st.total / 8; /* some memory is kept for everything else */
	}
	return limit;
}

void ramfs_usage(uint64_t *total, uint64_t *free, uint64_t *inodes)
{
	uint64_t used = __atomic_load_n(&pages_used, __ATOMIC_RELAXED);
	*total = pages_limit();
	*free = used < *total ? *total - used : 0;
	*inodes = __atomic_load_n(&inodes_used, __ATOMIC_RELAXED);
}

bool ramfs_is(const struct inode *in)
{
	return in->iops == NULL && in->dev != DEV_PIPE;
}

struct inode *ramfs_inode(uint32_t mode, uint64_t rdev)
{
	struct inode *in = inode_alloc(mode);
	if (in == NULL)
		return NULL;
	in->nlink = 0;
	in->rdev = rdev;
	switch (mode & S_IFMT) {
	case S_IFREG:
		in->ops = &ramfs_file_ops;
		in->priv = kzalloc(sizeof(struct ram_data));
		break;
	case S_IFDIR:
		in->ops = &ramfs_dir_ops;
		in->nlink = 2;
		in->priv = ramfs_dir_create();
		break;
	case S_IFIFO:
		in->ops = &pipe_ops;
		break;
	default: /* devices get theirs at open; links and sockets have none */
		break;
	}
	if (in->priv == NULL && (mode_is(mode, S_IFREG) || mode_is(mode, S_IFDIR))) {
		kfree(in);
		return NULL;
	}
	__atomic_add_fetch(&inodes_used, 1, __ATOMIC_RELAXED);
	return in;
}

static struct page **slot_find(struct ram_data *d, uint64_t index)
{
	uint64_t l = index / LEAF_PAGES;
	if (l >= d->capacity || d->leaves[l] == NULL)
		return NULL;
	return &d->leaves[l]->pages[index % LEAF_PAGES];
}

/* The slot of page `index`, its leaf made if needed; NULL when out of memory. */
static struct page **slot_make(struct ram_data *d, uint64_t index)
{
	uint64_t l = index / LEAF_PAGES;
	if (l >= d->capacity) {
		size_t capacity = d->capacity != 0 ? d->capacity : 1;
		while (capacity <= l)
			capacity *= 2;
		struct leaf **leaves = kzalloc(capacity * sizeof(*leaves));
		if (leaves == NULL)
			return NULL;
		if (d->leaves != NULL)
			memcpy(leaves, d->leaves, d->capacity * sizeof(*leaves));
		kfree(d->leaves);
		d->leaves = leaves;
		d->capacity = capacity;
	}
	if (d->leaves[l] == NULL)
		d->leaves[l] = page_zalloc();
	return d->leaves[l] != NULL ? &d->leaves[l]->pages[index % LEAF_PAGES] : NULL;
}

/* The page, allocated if it was a hole; NULL when there is no memory for it. */
static struct page *page_make(struct ram_data *d, uint64_t index)
{
	struct page **slot = slot_make(d, index);
	if (slot == NULL)
		return NULL;
	if (*slot == NULL) {
		if (__atomic_load_n(&pages_used, __ATOMIC_RELAXED) >= pages_limit())
			return NULL;
		*slot = page_alloc(0, PAGE_ZERO);
		if (*slot == NULL)
			return NULL;
		d->pages++;
		__atomic_add_fetch(&pages_used, 1, __ATOMIC_RELAXED);
	}
	return *slot;
}

/* Lets go of all pages from index `from` on. */
static void pages_drop(struct ram_data *d, uint64_t from)
{
	for (uint64_t l = from / LEAF_PAGES; l < d->capacity; l++) {
		struct leaf *leaf = d->leaves[l];
		if (leaf == NULL)
			continue;
		uint64_t first = l == from / LEAF_PAGES ? from % LEAF_PAGES : 0;
		for (uint64_t i = first; i < LEAF_PAGES; i++) {
			if (leaf->pages[i] == NULL)
				continue;
			page_put(leaf->pages[i]);
			leaf->pages[i] = NULL;
			d->pages--;
			__atomic_sub_fetch(&pages_used, 1, __ATOMIC_RELAXED);
		}
		if (first == 0) {
			page_free_virt(leaf);
			d->leaves[l] = NULL;
		}
	}
}

uint64_t ramfs_pages(const struct inode *in)
{
	const struct ram_data *d = in->priv;
	return mode_is(in->mode, S_IFREG) ? d->pages : 0;
}

void ramfs_evict(struct inode *in)
{
	if (in->dev == DEV_PIPE)
		return; /* pipe.c freed its buffer at the last close */
	switch (in->mode & S_IFMT) {
	case S_IFREG: {
		struct ram_data *d = in->priv;
		pages_drop(d, 0);
		kfree(d->leaves);
		kfree(d);
		break;
	}
	case S_IFDIR:
		ramfs_dir_destroy(in);
		break;
	case S_IFLNK:
		kfree(in->priv);
		break;
	default:
		break;
	}
	__atomic_sub_fetch(&inodes_used, 1, __ATOMIC_RELAXED);
}

static long file_read(struct file *f, void *buf, size_t n, uint64_t *pos)
{
	struct inode *in = f->inode;
	struct ram_data *d = in->priv;
	size_t done = 0;
	mutex_lock(&in->lock);
	if (*pos < in->size)
		n = MIN(n, in->size - *pos);
	else
		n = 0;
	while (done < n) {
		uint64_t at = *pos + done, off = at % PAGE_SIZE;
		size_t chunk = MIN(n - done, PAGE_SIZE - off);
		struct page **slot = slot_find(d, at / PAGE_SIZE);
		if (slot != NULL && *slot != NULL)
			memcpy((char *)buf + done, (char *)page_to_virt(*slot) + off, chunk);
		else
			memset((char *)buf + done, 0, chunk);
		done += chunk;
	}
	if (in->atime_ns <= in->mtime_ns)
		in->atime_ns = now_ns();
	mutex_unlock(&in->lock);
	*pos += done;
	return (long)done;
}

/* in->lock held. */
static long write_locked(struct inode *in, const void *buf, size_t n, uint64_t pos)
{
	struct ram_data *d = in->priv;
	size_t done = 0;
	if (n != 0 && pos >= MAX_FILE_SIZE)
		return -EFBIG;
	n = MIN(n, MAX_FILE_SIZE - pos);
	while (done < n) {
		uint64_t at = pos + done, off = at % PAGE_SIZE;
		size_t chunk = MIN(n - done, PAGE_SIZE - off);
		struct page *p = page_make(d, at / PAGE_SIZE);
		if (p == NULL)
			break;
		memcpy((char *)page_to_virt(p) + off, (const char *)buf + done, chunk);
		done += chunk;
	}
	if (done == 0 && n != 0)
		return -ENOSPC;
	if (done != 0) {
		in->size = MAX(in->size, pos + done);
		in->mtime_ns = in->ctime_ns = now_ns();
	}
	return (long)done;
}

static long file_write(struct file *f, const void *buf, size_t n, uint64_t *pos)
{
	mutex_lock(&f->inode->lock);
	if (f->flags & O_APPEND)
		*pos = f->inode->size;
	long r = write_locked(f->inode, buf, n, *pos);
	mutex_unlock(&f->inode->lock);
	if (r > 0)
		*pos += (uint64_t)r;
	return r;
}

long ramfs_pwrite(struct inode *in, const void *buf, size_t n, uint64_t pos)
{
	mutex_lock(&in->lock);
	long r = write_locked(in, buf, n, pos);
	mutex_unlock(&in->lock);
	return r;
}

int ramfs_truncate(struct inode *in, uint64_t size)
{
	if (size > MAX_FILE_SIZE)
		return -EFBIG;
	struct ram_data *d = in->priv;
	mutex_lock(&in->cut_lock);
	mutex_lock(&in->lock);
	bool shorter = size < in->size;
	if (shorter) {
		pages_drop(d, (size + PAGE_SIZE - 1) / PAGE_SIZE);
		struct page **slot = slot_find(d, size / PAGE_SIZE);
		uint64_t off = size % PAGE_SIZE;
		if (off != 0 && slot != NULL && *slot != NULL)
			memset((char *)page_to_virt(*slot) + off, 0, PAGE_SIZE - off);
	}
	in->size = size;
	in->mtime_ns = in->ctime_ns = now_ns();
	mutex_unlock(&in->lock);
	if (shorter)
		filemap_cut(in, ALIGN_UP(size, PAGE_SIZE));
	mutex_unlock(&in->cut_lock);
	return 0;
}

int ramfs_fallocate(struct inode *in, uint64_t pos, uint64_t n, bool keep_size)
{
	if (n > MAX_FILE_SIZE || pos > MAX_FILE_SIZE - n)
		return -EFBIG;
	int err = 0;
	mutex_lock(&in->lock);
	for (uint64_t i = pos / PAGE_SIZE; i <= (pos + n - 1) / PAGE_SIZE && err == 0; i++)
		if (page_make(in->priv, i) == NULL)
			err = -ENOSPC;
	if (err == 0 && !keep_size && pos + n > in->size)
		in->size = pos + n;
	in->ctime_ns = now_ns();
	mutex_unlock(&in->lock);
	return err;
}

/* Clears instead of freeing, so that mappings of these pages see the zeros as well. */
int ramfs_punch(struct inode *in, uint64_t pos, uint64_t n)
{
	struct ram_data *d = in->priv;
	mutex_lock(&in->lock);
	uint64_t top = d->capacity * LEAF_BYTES;
	uint64_t end = n < top && pos < top - n ? pos + n : top;
	while (pos < end) {
		uint64_t off = pos % PAGE_SIZE;
		uint64_t chunk = MIN(end - pos, PAGE_SIZE - off);
		struct page **slot = slot_find(d, pos / PAGE_SIZE);
		if (slot != NULL && *slot != NULL)
			memset((char *)page_to_virt(*slot) + off, 0, chunk);
		pos += chunk;
	}
	in->mtime_ns = in->ctime_ns = now_ns();
	mutex_unlock(&in->lock);
	return 0;
}

struct page *inode_get_page(struct inode *in, uint64_t pos, bool write)
{
	if (!ramfs_is(in) || !mode_is(in->mode, S_IFREG))
		return err_ptr(-ENODEV);
	struct page *p;
	mutex_lock(&in->lock);
	if (pos >= in->size) {
		p = err_ptr(-EIO);
	} else {
		p = page_make(in->priv, pos / PAGE_SIZE);
		if (p == NULL)
			p = err_ptr(-ENOMEM);
		else
			page_get(p);
	}
	if (!is_err(p) && write)
		in->mtime_ns = in->ctime_ns = now_ns();
	mutex_unlock(&in->lock);
	return p;
}

const struct file_ops ramfs_file_ops = {.read = file_read, .write = file_write};
