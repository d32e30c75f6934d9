/* SPDX-License-Identifier: MIT */
/* The devices without hardware, and the table that leads from a device number to its operations. */
#include "random.h"
#include "tty.h"

enum {
	RDEV_NULL = 1 << 8 | 3,
	RDEV_ZERO = 1 << 8 | 5,
	RDEV_FULL = 1 << 8 | 7,
	RDEV_RANDOM = 1 << 8 | 8,
	RDEV_URANDOM = 1 << 8 | 9,
};

static long null_read(unused struct file *f, unused void *buf, unused size_t n,
		      unused uint64_t *pos)
{
	return 0;
}

static long null_write(unused struct file *f, unused const void *buf, size_t n,
		       unused uint64_t *pos)
{
	return (long)n;
}

static long zero_read(unused struct file *f, void *buf, size_t n, unused uint64_t *pos)
{
	memset(buf, 0, n);
	return (long)n;
}

static long full_write(unused struct file *f, unused const void *buf, size_t n,
		       unused uint64_t *pos)
{
	return n > 0 ? -ENOSPC : 0;
}

static long random_read(unused struct file *f, void *buf, size_t n, unused uint64_t *pos)
{
	random_bytes(buf, n);
	return (long)n;
}

static long random_write(unused struct file *f, const void *buf, size_t n, unused uint64_t *pos)
{
	random_seed(buf, n);
	return (long)n;
}

static unsigned always_ready(unused struct file *f, unused struct poll_table *pt)
{
	return POLLIN | POLLOUT;
}

static const struct file_ops null_ops = {
	.read = null_read,
	.write = null_write,
	.poll = always_ready,
};
static const struct file_ops zero_ops = {
	.read = zero_read,
	.write = null_write,
	.poll = always_ready,
};
static const struct file_ops full_ops = {
	.read = zero_read,
	.write = full_write,
	.poll = always_ready,
};
static const struct file_ops random_ops = {
	.read = random_read,
	.write = random_write,
	.poll = always_ready,
};

static const struct device {
	char name[8];
	uint16_t rdev;
	uint16_t mode;
	const struct file_ops *ops;
} devices[] = {
	{"null", RDEV_NULL, 0666, &null_ops},         {"zero", RDEV_ZERO, 0666, &zero_ops},
	{"full", RDEV_FULL, 0666, &full_ops},         {"random", RDEV_RANDOM, 0666, &random_ops},
	{"urandom", RDEV_URANDOM, 0666, &random_ops}, {"tty", RDEV_TTY, 0666, &tty_ops},
	{"console", RDEV_CONSOLE, 0600, &tty_ops},    {"ttyS0", RDEV_TTYS0, 0660, &tty_ops},
};

const struct file_ops *chardev_ops(uint64_t rdev)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].rdev == rdev)
			return devices[i].ops;
	return NULL;
}

/* Into the plain tree, as an initramfs would; one of its nodes may be there already. */
void devfs_init(void)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};
	char path[16];
	int err = 0;

	struct inode *dir = ramfs_mkdir_p("/dev", 0755);
	if (is_err(dir)) {
		printk("devfs: /dev cannot be made: error %ld\n", -ptr_err(dir));
		return;
	}
	inode_put(dir);
	for (size_t i = 0; i < ARRAY_SIZE(devices) && (err == 0 || err == -EEXIST); i++) {
		snprintf(path, sizeof(path), "/dev/%s", devices[i].name);
		err = ramfs_mknod(path, S_IFCHR | devices[i].mode, devices[i].rdev);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links) && (err == 0 || err == -EEXIST); i++)
		err = ramfs_symlink(links[i][0], links[i][1]);
	if (err != 0 && err != -EEXIST)
		printk("devfs: a node cannot be made: error %d\n", -err);
}
