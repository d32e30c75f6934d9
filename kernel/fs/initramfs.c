/* SPDX-License-Identifier: MIT */
/* Fills the root directory from the loader's archive: cpio and gzip in any order and number.
 *
 * Names that share device and inode number are hard links; their contents come with any one of
 * them. Directories get their times at the end, because making entries changes them. */
#include "cpio.h"
#include "fs.h"

#define NS_PER_SEC   UINT64_C(1000000000)
#define LINK_BUCKETS 64

struct seen { /* an inode to remember: of a hard link, or a directory */
	struct seen *next;
	struct inode *in;
	uint32_t major, minor, ino, mtime;
};

struct unpack {
	struct cpio cpio;
	struct data_error err;
	bool in_sink; /* err is about making something */
	int sink_err;
	bool past_gzip;     /* err is about what gzip data unpacked to */
	struct inode *file; /* being filled; a reference */
	uint64_t file_pos;
	struct seen *links[LINK_BUCKETS], *dirs;
	char path[CPIO_MAX_NAME + 2];
};

static int sink_fail(struct unpack *u, int err)
{
	u->in_sink = true;
	u->sink_err = err;
	u->err.at = u->cpio.entry_at;
	u->err.what = err == -ENOMEM || err == -ENOSPC ? "there is no memory for it"
		      : err == -ENOTDIR      ? "it lies below something that is no directory"
		      : err == -ENOTEMPTY    ? "a directory that is not empty is in its place"
		      : err == -ENAMETOOLONG ? "a part of its name is longer than 255 bytes"
		      : err == -ELOOP        ? "its path goes through too many links"
					     : "the file system refuses it";
	return -EINVAL;
}

static int remember(struct seen **list, struct inode *in, const struct cpio_entry *e)
{
	struct seen *s = kzalloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	*s = (struct seen){*list, in, e->dev_major, e->dev_minor, e->ino, e->mtime};
	inode_get(in);
	*list = s;
	return 0;
}

static void forget(struct seen **list, bool set_mtime)
{
	while (*list != NULL) {
		struct seen *s = *list;
		*list = s->next;
		if (set_mtime)
			s->in->mtime_ns = s->mtime * NS_PER_SEC;
		inode_put(s->in);
		kfree(s);
	}
}

static struct seen **bucket(struct unpack *u, const struct cpio_entry *e)
{
	return &u->links[(e->ino ^ e->dev_minor) % LINK_BUCKETS];
}

static struct inode *find_link(struct unpack *u, const struct cpio_entry *e)
{
	for (struct seen *s = *bucket(u, e); s != NULL; s = s->next)
		if (s->ino == e->ino && s->major == e->dev_major && s->minor == e->dev_minor &&
		    ((s->in->mode ^ e->mode) & S_IFMT) == 0)
			return s->in;
	return NULL;
}

/* Where u->path's last name goes, its parents made if they are missing. */
static int walk_to(struct unpack *u, struct walk *w)
{
	int err = path_walk(AT_FDCWD, u->path, WALK_PARENT, w);
	char *slash = strrchr(u->path, '/');
	if (err != -ENOENT || slash == u->path)
		return err;
	*slash = '\0';
	struct inode *dir = ramfs_mkdir_p(u->path, 0755);
	*slash = '/';
	if (is_err(dir))
		return (int)ptr_err(dir);
	inode_put(dir);
	return path_walk(AT_FDCWD, u->path, WALK_PARENT, w);
}

static void set_attributes(struct inode *in, const struct cpio_entry *e)
{
	in->mode = (in->mode & S_IFMT) | (e->mode & MODE_BITS);
	in->uid = e->uid;
	in->gid = e->gid;
	in->mtime_ns = e->mtime * NS_PER_SEC;
}

static int make_dir(struct unpack *u, struct walk *w, const struct cpio_entry *e)
{
	int err = 0;
	if (w->inode != NULL && !mode_is(w->inode->mode, S_IFDIR)) {
		err = ramfs_unlink(w->dir, w->name);
		inode_put(w->inode);
		w->inode = NULL;
	}
	if (err == 0 && w->inode == NULL)
		err = ramfs_create(w->dir, w->name, e->mode, 0, NULL, &w->inode);
	if (err == 0)
		err = remember(&u->dirs, w->inode, e);
	if (err == 0)
		set_attributes(w->inode, e);
	return err;
}

static int make_other(struct unpack *u, struct walk *w, const struct cpio_entry *e)
{
	int err = 0;
	struct inode *twin = e->nlink > 1 ? find_link(u, e) : NULL;
	if (w->dir == NULL)
		return -ENOTEMPTY;
	if (w->inode != NULL && w->inode != twin)
		err = mode_is(w->inode->mode, S_IFDIR) ? ramfs_rmdir(w->dir, w->name)
						       : ramfs_unlink(w->dir, w->name);
	bool there = w->inode != NULL && w->inode == twin;
	if (!there) {
		inode_put(w->inode);
		w->inode = NULL;
	}
	if (err == 0 && twin != NULL && !there) {
		err = ramfs_link(w->dir, w->name, twin);
		if (err == 0) {
			inode_get(twin);
			w->inode = twin;
		}
	} else if (err == 0 && !there) {
		uint64_t rdev = (uint64_t)e->rdev_major << 8 | e->rdev_minor;
		bool dev = mode_is(e->mode, S_IFCHR) || mode_is(e->mode, S_IFBLK);
		err = ramfs_create(w->dir, w->name, e->mode, dev ? rdev : 0, e->link, &w->inode);
		if (err == 0 && e->nlink > 1)
			err = remember(bucket(u, e), w->inode, e);
	}
	if (err != 0)
		return err;
	if (mode_is(e->mode, S_IFREG) && e->size != 0) {
		err = ramfs_truncate(w->inode, 0);
		inode_get(w->inode);
		u->file = w->inode;
		u->file_pos = 0;
	}
	set_attributes(w->inode, e);
	return err;
}

static void file_done(struct unpack *u)
{
	inode_put(u->file);
	u->file = NULL;
}

static int on_entry(void *ctx, const struct cpio_entry *e)
{
	struct unpack *u = ctx;
	struct walk w;
	file_done(u);
	u->path[0] = '/';
	strlcpy(u->path + 1, e->name, sizeof(u->path) - 1);
	for (size_t n = strlen(u->path); n > 1 && u->path[n - 1] == '/'; n--)
		u->path[n - 1] = '\0';
	int err = walk_to(u, &w);
	if (err != 0)
		return sink_fail(u, err);
	err = mode_is(e->mode, S_IFDIR) ? make_dir(u, &w, e) : make_other(u, &w, e);
	walk_end(&w);
	return err == 0 ? 0 : sink_fail(u, err);
}

static int on_data(void *ctx, const uint8_t *p, size_t n)
{
	struct unpack *u = ctx;
	uint64_t mtime = u->file->mtime_ns;
	long r = ramfs_pwrite(u->file, p, n, u->file_pos);
	u->file->mtime_ns = mtime;
	if (r < 0 || (size_t)r != n)
		return sink_fail(u, r < 0 ? (int)r : -ENOSPC);
	u->file_pos += n;
	return 0;
}

static int on_archive_end(void *ctx)
{
	struct unpack *u = ctx;
	file_done(u);
	for (unsigned i = 0; i < LINK_BUCKETS; i++)
		forget(&u->links[i], false);
	return 0;
}

static const struct cpio_sink sink = {on_entry, on_data, on_archive_end};

/* gunzip's output. */
static int on_unpacked(void *ctx, const uint8_t *p, size_t n)
{
	struct unpack *u = ctx;
	size_t used;
	int err = cpio_feed(&u->cpio, p, n, &used);
	u->past_gzip = err != 0 || used < n;
	if (err == 0 && used < n) {
		u->err = (struct data_error){"something that is no cpio archive follows",
					     u->cpio.pos};
		err = -EINVAL;
	}
	return err;
}

static char why_text[320];

static int report(struct unpack *u, uint64_t base, const char *where, const char **why)
{
	unsigned long long at = base + u->err.at;
	if (u->in_sink)
		snprintf(why_text, sizeof(why_text),
			 "the initramfs's \"%.120s\" cannot be made: %s, at byte %llu%s (error %d)",
			 u->path, u->err.what, at, where, -u->sink_err);
	else
		snprintf(why_text, sizeof(why_text), "the initramfs is damaged: %s, at byte %llu%s",
			 u->err.what, at, where);
	*why = why_text;
	return -EINVAL;
}

/* One stretch of cpio archives, or one gzip member, at data[*pos]. */
static int unpack_piece(struct unpack *u, const uint8_t *data, size_t n, size_t *pos,
			const char **why)
{
	size_t base = *pos, used = 0;
	cpio_init(&u->cpio, &sink, u, &u->err);
	if (data[base] == '0') {
		int err = cpio_feed(&u->cpio, data + base, n - base, &used);
		if (err == 0)
			err = cpio_finish(&u->cpio);
		*pos += used;
		return err == 0 ? 0 : report(u, base, "", why);
	}
	if (data[base] != 0x1f) {
		u->err =
			(struct data_error){"this is neither a newc cpio archive nor gzip data", 0};
		return report(u, base, "", why);
	}
	u->past_gzip = false;
	int err = gunzip(data + base, n - base, &used, on_unpacked, u, &u->err);
	if (err == 0)
		err = cpio_finish(&u->cpio);
	else if (!u->past_gzip)
		return report(u, base, " of the compressed data", why);
	*pos += used;
	return err == 0 ? 0 : report(u, 0, " of the unpacked data", why);
}

int initramfs_unpack(const void *data, size_t n, const char **why)
{
	const uint8_t *p = data;
	struct unpack *u = kzalloc(sizeof(*u));
	if (u == NULL) {
		*why = "there is no memory to unpack the initramfs";
		return -EINVAL;
	}
	int err = 0;
	size_t pos = 0;
	bool any = false;
	while (err == 0 && pos < n) {
		if (p[pos] == 0) { /* padding between archives */
			pos++;
			continue;
		}
		any = true;
		err = unpack_piece(u, p, n, &pos, why);
	}
	if (err == 0 && !any) {
		*why = "the initramfs is empty";
		err = -EINVAL;
	}
	on_archive_end(u);
	forget(&u->dirs, true);
	kfree(u);
	return err;
}
