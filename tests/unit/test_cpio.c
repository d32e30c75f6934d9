/* SPDX-License-Identifier: MIT */
/* SRC: kernel/fs/cpio.c kernel/fs/inflate.c kernel/fs/initramfs.c */
/* SRC: kernel/fs/inode.c kernel/fs/namei.c kernel/fs/ramfs.c kernel/fs/ramfs_dir.c */
/* SRC: kernel/fs/ramfs_tree.c */
/* CFLAGS: -std=c11 -D_POSIX_C_SOURCE=200809L -iquote kernel/fs */
/* The initramfs: archives made by cpio and gzip, unpacked by the kernel's own files into its tree
 * in memory. Emits TAP. Compile, from the root: gcc -std=c11 -D_POSIX_C_SOURCE=200809L -g -O1 -Wall
 * -Wextra -fsanitize=address,undefined -iquote kernel/include -iquote kernel/fs -Ikaiser/include
 * tests/unit/test_cpio.c
 *   kernel/fs/{cpio,inflate,initramfs,inode,namei,ramfs,ramfs_dir,ramfs_tree}.c */
#define HOST_FS_TREE
#include "host_fs.h"
#include "cpio.h"

static const char *why;

static bool unpack(const unsigned char *p, size_t n)
{
	unsigned char *copy = exact(p, n);
	why = NULL;
	int r = initramfs_unpack(copy, n, &why);
	free(copy);
	if (r != 0 && (r != -EINVAL || why == NULL || strlen(why) < 20))
		abort();
	return r == 0;
}

/* An empty tree again; nothing may be left over. */
static bool reset(void)
{
	ramfs_clear(root_inode);
	inode_put(root_inode);
	bool clean = objects == 0 && pages_free == RAM_PAGES;
	if (!clean)
		printf("# left: %ld objects, %u pages\n", objects, RAM_PAGES - pages_free);
	host_fs_init();
	return clean;
}

static struct inode *at(const char *path)
{
	struct inode *in = path_inode(AT_FDCWD, path, 0);
	if (is_err(in))
		return NULL;
	in->refs--; /* the tree holds another */
	return in;
}

static bool is_file(const char *path, const char *command)
{
	size_t n;
	unsigned char *want = run(command, &n);
	struct inode *in = at(path);
	unsigned char *got = malloc(n + 1);
	bool same = in != NULL && in->size == n && inode_pread(in, got, n + 1, 0) == (long)n &&
		    memcmp(got, want, n) == 0;
	free(got);
	free(want);
	return same;
}

#define TREE                                                                                      \
	"rm -rf /tmp/kaiser-cpio && mkdir -p /tmp/kaiser-cpio/dir/sub && cd /tmp/kaiser-cpio && " \
	"seq 1 20000 >dir/seq && : >empty && printf x >dir/sub/x && ln -s dir/seq link && "       \
	"ln -s /dir/sub abs && ln dir/seq dir/hard && ln dir/sub/x dir/hard2 && "                 \
	"mkfifo pipe && chmod 4755 dir/sub/x && chmod 1777 dir/sub && "                           \
	"touch -d @1234567890 dir dir/sub/x && "
#define CPIO "find . | sort | cpio --quiet -o -H newc"

static bool check_tree(void)
{
	struct inode *in;
	bool ok = is_file("/dir/seq", "seq 1 20000") && is_file("/dir/sub/x", "printf x") &&
		  is_file("/empty", "true") && at("/dir/hard") == at("/dir/seq") &&
		  at("/dir/hard2") == at("/abs/x") && is_file("/dir/hard", "seq 1 20000");
	ok = ok && at("/dir/seq")->nlink == 2 && at("/dir/sub/x")->nlink == 2;
	ok = ok && (in = at("/link")) != NULL && mode_is(in->mode, S_IFLNK) &&
	     strcmp(in->priv, "dir/seq") == 0 && in->size == 7;
	ok = ok && mode_is(at("/pipe")->mode, S_IFIFO);
	ok = ok && (at("/dir/sub")->mode & 07777) == 01777 && at("/dir")->nlink == 3;
	ok = ok && at("/dir/sub/x")->mode == (S_IFREG | 04755);
	ok = ok && at("/dir/sub/x")->mtime_ns == UINT64_C(1234567890) * 1000000000;
	ok = ok && at("/dir")->mtime_ns == UINT64_C(1234567890) * 1000000000;
	return ok;
}

static void good(const char *command, const char *name)
{
	size_t n;
	unsigned char *p = run(command, &n);
	bool ok = unpack(p, n) && check_tree();
	if (why != NULL)
		printf("# %s\n", why);
	tap(ok, name);
	tap(reset(), "and all of it goes away again");
	free(p);
}

static void truncations(const char *kind, const char *command, bool tail_ok)
{
	size_t n, bad = 0, last = 0;
	unsigned char *p = run(command, &n);
	for (size_t cut = 0; cut < n; cut++) {
		bool ok = unpack(p, cut);
		bool rest_zero = tail_ok;
		for (size_t i = cut; i < n && rest_zero; i++)
			rest_zero = p[i] == 0;
		if (ok && !rest_zero) {
			bad++;
			last = cut;
		}
		if (!reset())
			bad++;
	}
	char name[300];
	snprintf(name, sizeof(name), "each of %zu truncations is refused: %s", n, kind);
	if (!tap(bad == 0, name))
		printf("# %zu wrong, the last at %zu\n", bad, last);
	free(p);
}

static void flips(const char *command, size_t step)
{
	size_t n, leaks = 0;
	unsigned char *p = run(command, &n);
	for (size_t bit = 0; bit < n * 8; bit += 1 + rnd() % step) {
		p[bit / 8] ^= 1u << bit % 8;
		unpack(p, n);
		leaks += !reset();
		p[bit / 8] ^= 1u << bit % 8;
	}
	tap(leaks == 0, "flipped bits: a tree or a sentence, and nothing leaks");
	free(p);
}

/* One header by hand; fields that are NULL are zero. */
static size_t entry(unsigned char *out, const char *name, uint32_t mode, uint32_t size,
		    uint32_t namesize, const char *body)
{
	int n = sprintf((char *)out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			1u, mode, 0u, 0u, 1u, 0u, size, 0u, 0u, 5u, 1u, namesize, 0u);
	size_t at_byte = (size_t)n;
	memcpy(out + at_byte, name, strlen(name) + 1);
	at_byte += strlen(name) + 1;
	while (at_byte % 4 != 0)
		out[at_byte++] = 0;
	if (body != NULL) {
		memcpy(out + at_byte, body, strlen(body));
		at_byte += strlen(body);
	}
	while (at_byte % 4 != 0)
		out[at_byte++] = 0;
	return at_byte;
}

static void one_entry(const char *name, uint32_t mode, uint32_t size, uint32_t namesize,
		      const char *body, const char *sentence)
{
	unsigned char buf[8192];
	size_t n = entry(buf, name, mode, size, namesize, body);
	n += entry(buf + n, "TRAILER!!!", 0, 0, 11, NULL);
	bool ok = unpack(buf, n);
	bool as_told = sentence == NULL ? ok : !ok && strstr(why, sentence) != NULL;
	if (!tap(as_told, sentence != NULL ? sentence : name))
		printf("# %s\n", why != NULL ? why : "accepted");
	if (!reset())
		tap(false, "nothing leaks");
}

static void wild(void)
{
	char long_name[5000], long_part[300];
	memset(long_name, 'a', sizeof(long_name));
	long_name[4999] = '\0';
	memset(long_part, 'b', sizeof(long_part));
	long_part[299] = '\0';
	one_entry("f", S_IFREG | 0644, 5, 2, "hello", NULL);
	one_entry("a/b/c/f", S_IFREG | 0644, 5, 8, "hello", NULL);
	one_entry("/./a//d/", S_IFDIR | 0755, 0, 9, NULL, NULL);
	one_entry(".", S_IFDIR | 0700, 0, 2, NULL, NULL);
	one_entry("dev", S_IFCHR | 0600, 0, 4, NULL, NULL);
	one_entry("f", S_IFREG | 0644, 0xffffffff, 2, "hello", "ends inside a file's contents");
	one_entry("f", S_IFREG | 0644, 0, 0xffffffff, NULL, "longer than 4095 bytes");
	one_entry("f", S_IFREG | 0644, 0, 0, NULL, "has no name");
	one_entry("f", S_IFREG | 0644, 0, 1, NULL, "does not end where its length says");
	one_entry("f", S_IFREG | 0644, 0, 4, NULL, "does not end where its length says");
	one_entry(long_name, S_IFREG | 0644, 0, 5000, NULL, "longer than 4095 bytes");
	one_entry(long_part, S_IFREG | 0644, 0, 300, NULL, "longer than 255 bytes");
	one_entry("l", S_IFLNK | 0777, 0, 2, NULL, "link's text is empty");
	one_entry("l", S_IFLNK | 0777, 0x10000, 2, NULL, "longer than 4095 bytes");
	one_entry("d", S_IFDIR | 0755, 5, 2, "hello", "has contents");
	one_entry("x", 0170000, 0, 2, NULL, "of a type that does not exist");
	one_entry("x", 0x40000 | S_IFREG, 0, 2, NULL, "bits that do not exist");
	one_entry("a/../b", S_IFREG | 0644, 0, 7, NULL, "contains \"..\"");
	one_entry("..", S_IFDIR | 0755, 0, 3, NULL, "contains \"..\"");
	one_entry("/", S_IFREG | 0644, 0, 2, NULL, "has the root's name");
	one_entry("d/", S_IFREG | 0644, 0, 3, NULL, NULL);

	unsigned char buf[2048];
	size_t n = entry(buf, "f", S_IFREG | 0644, 5, 2, "hello");
	n += entry(buf + n, "f/g", S_IFREG | 0644, 0, 4, NULL);
	tap(!unpack(buf, n) && strstr(why, "no directory") != NULL, "a file below a file");
	reset();
	n = entry(buf, "f", S_IFREG | 0644, 0, 2, NULL);
	buf[60] = 'z';
	tap(!unpack(buf, n) && strstr(why, "hexadecimal") && strstr(why, "byte 60"),
	    "the offending byte is named");
	reset();
	tap(!unpack((const unsigned char *)"\0\0\0\0", 4) && strstr(why, "empty"), "only zeros");
	tap(!unpack((const unsigned char *)"", 0) && strstr(why, "empty"), "nothing at all");
	tap(!unpack((const unsigned char *)"BZh91AY", 7) && strstr(why, "neither"), "bzip2");
}

static void out_of_memory(const char *command)
{
	size_t n, leaks = 0;
	unsigned char *p = run(command, &n);
	long k = 0;
	bool ok = false;
	for (; !ok && k < 100000; k++) {
		long before = objects;
		(void)before;
		fail_after = k;
		ok = unpack(p, n);
		fail_after = -1;
		leaks += !reset();
	}
	char name[100];
	snprintf(name, sizeof(name), "memory ends at each of %ld allocations: an error, no leak",
		 k);
	tap(ok && leaks == 0, name);
	free(p);
}

#define SMALL                                                                         \
	"mkdir -p /tmp/kaiser-cpio && cd /tmp/kaiser-cpio && rm -rf * && mkdir d && " \
	"seq 9 >d/f && ln -s f d/l && ln d/f d/h && "

int main(void)
{
	host_fs_init();
	good(TREE CPIO, "a plain archive");
	good(TREE CPIO " | gzip -9", "a gzip archive");
	good(TREE "find . | sort | cpio --quiet -o -H crc", "an archive with checksums");
	good(TREE CPIO " >../kaiser-cpio.1; printf other >dir/sub/y; (cat ../kaiser-cpio.1; head "
		       "-c 512 /dev/zero; "
		       "echo ./dir/sub/y | cpio --quiet -o -H newc)",
	     "two plain archives");
	good(TREE "echo ./empty | cpio --quiet -o -H newc; " CPIO " | gzip", "plain, then gzip");
	good(TREE CPIO
	     " | gzip; head -c 3 /dev/zero; echo ./empty | cpio --quiet -o -H newc | gzip",
	     "two gzip members with odd padding between");
	good(TREE CPIO "; " CPIO, "the same archive twice");
	truncations("plain", SMALL CPIO, true);
	truncations("gzip", SMALL CPIO " | gzip -n9", false);
	flips(SMALL CPIO, 3);
	flips(SMALL CPIO " | gzip -n9", 1);
	wild();
	out_of_memory(SMALL CPIO);
	out_of_memory(SMALL CPIO " | gzip -n9");
	ramfs_clear(root_inode);
	inode_put(root_inode);
	tap(objects == 0 && pages_free == RAM_PAGES, "all memory was given back");
	return tap_end();
}
