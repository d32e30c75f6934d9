/* SPDX-License-Identifier: MIT */
/* SRC: kernel/fs/inode.c kernel/fs/namei.c kernel/fs/ramfs.c */
/* SRC: kernel/fs/ramfs_dir.c kernel/fs/ramfs_rename.c kernel/fs/ramfs_tree.c */
/* CFLAGS: -std=c11 -D_POSIX_C_SOURCE=200809L -iquote kernel/fs */
/* The tree in memory and the path walk on the build host: names, links, rename's rules, sparse
 * files, positions of readdir. Emits TAP. Compile, from the root: gcc -std=c11
 * -D_POSIX_C_SOURCE=200809L -g -O1 -Wall -Wextra -fsanitize=address,undefined -iquote
 *   kernel/include -iquote kernel/fs -Ikaiser/include tests/unit/test_ramfs.c
 *   kernel/fs/{inode,namei,ramfs,ramfs_dir,ramfs_rename,ramfs_tree}.c */
#define HOST_FS_TREE
#include "host_fs.h"

static struct inode *dir_of(const char *path, struct walk *w)
{
	int err = path_walk(AT_FDCWD, path, WALK_PARENT, w);
	if (err != 0)
		w->dir = NULL;
	return w->dir;
}

static int make(const char *path, uint32_t mode)
{
	return ramfs_mknod(path, mode, 0);
}

static int try_rename(const char *from, const char *to, unsigned flags)
{
	struct walk o, n;
	int err = -EBUSY;
	if (dir_of(from, &o) == NULL)
		return -ENOENT;
	if (dir_of(to, &n) != NULL) {
		err = ramfs_rename(o.dir, o.name, n.dir, n.name, flags, o.slash || n.slash);
		walk_end(&n);
	}
	walk_end(&o);
	return err;
}

static long look(const char *path, unsigned flags)
{
	struct inode *in = path_inode(AT_FDCWD, path, flags);
	if (is_err(in))
		return ptr_err(in);
	long ino = (long)in->ino;
	inode_put(in);
	return ino;
}

static uint32_t links(const char *path)
{
	struct inode *in = path_inode(AT_FDCWD, path, 0);
	if (is_err(in))
		return 0;
	uint32_t n = in->nlink;
	inode_put(in);
	return n;
}

static void walks(void)
{
	char name[300], path[MAX_PATH];
	make("/d", S_IFDIR | 0755);
	make("/d/e", S_IFDIR | 0755);
	make("/d/f", S_IFREG | 0644);
	ramfs_symlink("d/e", "/to_e");
	ramfs_symlink("/d/f", "/to_f");
	ramfs_symlink("nowhere", "/dangling");
	ramfs_symlink("loop2", "/loop1");
	ramfs_symlink("loop1", "/loop2");
	ramfs_symlink("/", "/to_root");
	tap(look("/d/e", 0) > 0 && look("//d/./e/", 0) == look("/d/e", 0), "slashes and dots");
	tap(look("/d/e/../f", 0) == look("/d/f", 0) && look("/../../d", 0) == look("/d", 0), "..");
	tap(look("/to_e", 0) != look("/d/e", 0) && look("/to_e", WALK_FOLLOW) == look("/d/e", 0),
	    "a link in the last place is followed only if asked");
	tap(look("/to_e/", 0) == look("/d/e", 0) && look("/to_e/../f", 0) == look("/d/f", 0),
	    "a link before a slash is followed");
	tap(look("/to_f/", 0) == -ENOTDIR && look("/d/f/", 0) == -ENOTDIR &&
		    look("/d/f/x", 0) == -ENOTDIR && look("/d/f/..", 0) == -ENOTDIR,
	    "a file is no directory");
	tap(look("/dangling", WALK_FOLLOW) == -ENOENT && look("/dangling", 0) > 0,
	    "a dangling link");
	tap(look("/loop1", WALK_FOLLOW) == -ELOOP && look("/loop1/x", 0) == -ELOOP, "a circle");
	tap(look("/to_root/to_root/d/e", 0) == look("/d/e", 0), "links to the root");
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[257] = '\0';
	tap(look(name, 0) == -ENAMETOOLONG, "a name of 256 bytes");
	name[256] = '\0';
	tap(look(name, 0) == -ENOENT && make(name, S_IFREG) == 0 && look(name, 0) > 0,
	    "a name of 255 bytes");
	for (size_t i = 0; i < sizeof(path) - 12; i += 8)
		memcpy(path + i, "/to_root", 9);
	tap(look(path, WALK_FOLLOW) == -ELOOP, "too many links in a row");
	tap(look("", 0) == -ENOENT, "the empty path");
}

static void renames(void)
{
	make("/r", S_IFDIR | 0755);
	make("/r/a", S_IFDIR | 0755);
	make("/r/a/b", S_IFDIR | 0755);
	make("/r/f", S_IFREG | 0644);
	make("/r/g", S_IFREG | 0644);
	make("/r/empty", S_IFDIR | 0755);
	long f = look("/r/f", 0), a = look("/r/a", 0);
	tap(try_rename("/r/a", "/r/a/b/c", 0) == -EINVAL, "a directory below itself");
	tap(try_rename("/r/a", "/r/a/x", 0) == -EINVAL, "a directory into itself");
	tap(try_rename("/r/a/b", "/r/a", 0) == -ENOTEMPTY, "over its own parent");
	tap(try_rename("/r/f", "/r/a", 0) == -EISDIR, "a file over a directory");
	tap(try_rename("/r/a", "/r/f", 0) == -ENOTDIR, "a directory over a file");
	tap(try_rename("/r/empty", "/r/a", 0) == -ENOTEMPTY, "over a directory with entries");
	tap(try_rename("/r/f", "/r/new/", 0) == -ENOTDIR, "a file to a name with a slash");
	tap(try_rename("/r/none", "/r/x", 0) == -ENOENT, "what is not there");
	tap(try_rename("/r/f", "/r/g", RENAME_NOREPLACE) == -EEXIST, "NOREPLACE");
	tap(try_rename("/r/f", "/r/none", RENAME_EXCHANGE) == -ENOENT, "EXCHANGE with nothing");
	tap(try_rename("/r/f", "/r/f", 0) == 0 && look("/r/f", 0) == f, "to itself");
	tap(try_rename("/r/f", "/r/g", 0) == 0 && look("/r/g", 0) == f &&
		    look("/r/f", 0) == -ENOENT,
	    "a file over a file");
	tap(try_rename("/r/a", "/r/empty/", 0) == 0 && look("/r/empty", 0) == a &&
		    links("/r") == 3 && links("/r/empty") == 3,
	    "a directory over an empty one");
	tap(look("/r/empty/b/../..", 0) == look("/r", 0), ".. after a move");
	tap(try_rename("/r/empty/b", "/moved", 0) == 0 && links("/r/empty") == 2 &&
		    look("/moved/..", 0) == look("/", 0),
	    "to another directory");
	tap(try_rename("/r/g", "/moved", RENAME_EXCHANGE) == 0 && look("/moved", 0) == f &&
		    look("/r/g/..", 0) == look("/r", 0) && links("/r") == 4,
	    "EXCHANGE of a file and a directory");
	tap(try_rename("/r", "/r/g", RENAME_EXCHANGE) == -EINVAL &&
		    try_rename("/r/g", "/r", RENAME_EXCHANGE) == -EINVAL,
	    "EXCHANGE with an ancestor");
	struct walk w;
	dir_of("/r/hard", &w);
	struct inode *in = path_inode(AT_FDCWD, "/moved", 0);
	tap(ramfs_link(w.dir, "hard", in) == 0 && links("/moved") == 2, "a hard link");
	tap(try_rename("/moved", "/r/hard", 0) == 0 && look("/moved", 0) == f &&
		    links("/moved") == 2,
	    "between two names of one file: nothing happens");
	tap(ramfs_unlink(w.dir, "hard") == 0 && links("/moved") == 1, "unlink one name");
	tap(ramfs_rmdir(w.dir, "g") == 0 && links("/r") == 3 &&
		    ramfs_unlink(w.dir, "empty") == -EISDIR,
	    "rmdir; unlink of a directory");
	inode_put(in);
	walk_end(&w);
}

static void sparse(void)
{
	char buf[100];
	make("/s", S_IFREG | 0644);
	struct inode *in = path_inode(AT_FDCWD, "/s", 0);
	uint64_t far = UINT64_C(20) << 30;
	unsigned before = pages_free;
	tap(ramfs_pwrite(in, "abc", 3, far) == 3 && in->size == far + 3 && before - pages_free < 20,
	    "a byte at 20 GiB costs little");
	tap(inode_pread(in, buf, sizeof(buf), far - 10) == 13 && buf[9] == 0 && buf[10] == 'a',
	    "the hole before it is zero");
	tap(inode_pread(in, buf, sizeof(buf), far + 3) == 0, "the end");
	tap(ramfs_pwrite(in, "abc", 3, UINT64_C(1) << 60) == -EFBIG, "too far");
	struct page *p = inode_get_page(in, far, true);
	tap(!is_err(p) && memcmp(page_to_virt(p), "abc", 3) == 0, "the frame itself");
	tap(ramfs_truncate(in, far + 1) == 0 && ((char *)page_to_virt(p))[1] == 0,
	    "a cut page is cleared behind the end");
	tap(ramfs_truncate(in, 0) == 0 && p->refs == 1 && is_err(inode_get_page(in, 0, false)),
	    "a mapped page outlives the file's end");
	page_put(p);
	ramfs_pwrite(in, "hello", 5, 4094);
	tap(ramfs_punch(in, 4095, 2) == 0 && inode_pread(in, buf, 5, 4094) == 5 &&
		    memcmp(buf, "h\0\0lo", 5) == 0,
	    "a punched hole over a page's edge");
	tap(ramfs_fallocate(in, 0, 20000, true) == 0 && in->size == 4099 && ramfs_pages(in) == 5,
	    "room beyond the end");
	char *big = calloc(1, 1 << 20);
	long r = 0, total = 0;
	while ((r = ramfs_pwrite(in, big, 1 << 20, (uint64_t)total)) > 0)
		total += r;
	tap(r == -ENOSPC && pages_free > RAM_PAGES / 16,
	    "a full file system leaves memory to others");
	free(big);
	struct walk w;
	dir_of("/s", &w);
	ramfs_unlink(w.dir, "s");
	tap(inode_pread(in, buf, 1, 0) == 1 && in->nlink == 0, "an unlinked file can be read");
	walk_end(&w);
	inode_put(in);
}

static unsigned seen_mask[64];
static unsigned emitted, emit_limit;

static bool emit(void *arg, const char *name, uint64_t ino, unsigned dtype)
{
	(void)arg, (void)ino, (void)dtype;
	if (emitted == emit_limit)
		return false;
	emitted++;
	if (name[0] == 'e')
		seen_mask[atoi(name + 1)]++;
	return true;
}

/* Reads 3 at a time, removing what was seen and adding new names: each old one comes exactly once.
 */
static void positions(void)
{
	char path[32];
	make("/p", S_IFDIR | 0755);
	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/p/e%d", i);
		make(path, S_IFREG | 0644);
	}
	struct inode *dir = path_inode(AT_FDCWD, "/p", 0);
	struct file f = {.inode = dir, .ops = dir->ops};
	unsigned extra = 0;
	do {
		emitted = 0;
		emit_limit = 3;
		f.ops->readdir(&f, &f.pos, emit, NULL);
		for (int i = 0; i < 60; i++) {
			snprintf(path, sizeof(path), "e%d", i);
			if (seen_mask[i] == 1 && i % 2 == 0)
				ramfs_unlink(dir, path);
		}
		snprintf(path, sizeof(path), "/p/n%u", extra);
		if (extra++ < 10)
			make(path, S_IFREG | 0644);
	} while (emitted != 0);
	bool ok = true;
	for (int i = 0; i < 60; i++)
		ok = ok && seen_mask[i] == 1;
	tap(ok, "readdir in pieces sees each entry once while others come and go");
	tap(ramfs_rmdir(root_inode, "p") == -ENOTEMPTY, "rmdir of a directory with entries");
	ramfs_clear(dir);
	tap(ramfs_rmdir(root_inode, "p") == 0 && dir->nlink == 0, "rmdir of an empty one");
	tap(ramfs_create(dir, "x", S_IFREG, 0, NULL, NULL) == -ENOENT,
	    "no entries in a removed one");
	inode_put(dir);
}

/* Random operations while memory fails at random: no leak, no dead name. */
static void torture(void)
{
	char a[64], b[64];
	for (unsigned i = 0; i < 200000; i++) {
		snprintf(a, sizeof(a), "/t%u/t%u/t%u", (unsigned)rnd() % 4, (unsigned)rnd() % 4,
			 (unsigned)rnd() % 4);
		snprintf(b, sizeof(b), "/t%u/t%u/t%u", (unsigned)rnd() % 4, (unsigned)rnd() % 4,
			 (unsigned)rnd() % 4);
		a[3 * (1 + rnd() % 3)] = '\0';
		b[3 * (1 + rnd() % 3)] = '\0';
		fail_after = rnd() % 4 == 0 ? (long)(rnd() % 6) : -1;
		struct walk w;
		switch (rnd() % 5) {
		case 0:
			make(a, S_IFDIR | 0755);
			break;
		case 1:
			make(a, S_IFREG | 0644);
			break;
		case 2:
			try_rename(a, b, rnd() % 3 == 0 ? RENAME_EXCHANGE : 0);
			break;
		default:
			if (dir_of(a, &w) != NULL) {
				if (rnd() % 2)
					ramfs_rmdir(w.dir, w.name);
				else
					ramfs_unlink(w.dir, w.name);
				walk_end(&w);
			}
			break;
		}
		fail_after = -1;
	}
	tap(look("/", 0) > 0, "200000 random operations");
}

int main(void)
{
	host_fs_init();
	walks();
	renames();
	sparse();
	positions();
	torture();
	ramfs_clear(root_inode);
	tap(root_inode->nlink == 2 && root_inode->refs == 1, "an emptied tree");
	inode_put(root_inode);
	if (!tap(objects == 0 && pages_free == RAM_PAGES, "all memory was given back"))
		printf("# left: %ld objects, %u pages\n", objects, RAM_PAGES - pages_free);
	return tap_end();
}
