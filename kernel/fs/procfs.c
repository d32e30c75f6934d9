/* SPDX-License-Identifier: MIT */
/* /proc: a fixed tree, grown by procfs_add(), and the directories of processes. Inodes are made at
 * each look-up and hold nothing but what they stand for; a file's text is made when it is opened,
 * so a reader sees one moment. */
#include "procfs.h"

static struct proc_entry root_entry = {.mode = S_IFDIR | 0555, .name = ""};
static struct mutex tree_change = MUTEX_INIT(tree_change);
static const struct inode_ops proc_iops, proc_text_iops;
static const struct file_ops proc_file_ops, proc_switch_ops, proc_dir_ops, proc_link_ops;

/* ---- the fixed tree */

static struct proc_entry *find_child(const struct proc_entry *dir, const char *name, size_t n)
{
	struct proc_entry *e = __atomic_load_n(&dir->children, __ATOMIC_ACQUIRE);
	for (; e != NULL; e = __atomic_load_n(&e->next, __ATOMIC_ACQUIRE))
		if (strlen(e->name) == n && memcmp(e->name, name, n) == 0)
			return e;
	return NULL;
}

static struct proc_entry *add_child(struct proc_entry *dir, const char *name, size_t n,
				    uint32_t mode)
{
	struct proc_entry *e = kzalloc(sizeof(*e));
	if (e == NULL)
		return NULL;
	memcpy(e->name, name, n);
	e->mode = mode;
	e->ino = inode_new_number();
	struct proc_entry **at = &dir->children;
	while (*at != NULL)
		at = &(*at)->next;
	__atomic_store_n(at, e, __ATOMIC_RELEASE);
	return e;
}

static int add(const char *path, uint32_t mode, void (*show)(struct seq *s),
	       int (*store)(const char *text), long (*readlink)(char *buf, size_t n))
{
	struct proc_entry *at = &root_entry;
	int err = 0;

	mutex_lock(&tree_change);
	while (err == 0 && *path != '\0') {
		const char *slash = strchr(path, '/');
		size_t n = slash != NULL ? (size_t)(slash - path) : strlen(path);
		struct proc_entry *e = n < sizeof(e->name) ? find_child(at, path, n) : NULL;
		if (n == 0 || n >= sizeof(e->name)) {
			err = -ENAMETOOLONG;
		} else if (e != NULL) {
			if (slash == NULL || !mode_is(e->mode, S_IFDIR))
				err = -EEXIST;
			at = e;
		} else {
			e = add_child(at, path, n, slash != NULL ? S_IFDIR | 0555 : mode);
			err = e != NULL ? 0 : -ENOMEM;
			if (e != NULL && slash == NULL) {
				/* Found already, but empty until these are set. */
				__atomic_store_n(&e->readlink, readlink, __ATOMIC_RELEASE);
				__atomic_store_n(&e->store, store, __ATOMIC_RELEASE);
				__atomic_store_n(&e->show, show, __ATOMIC_RELEASE);
			}
			at = e;
		}
		path += slash != NULL ? n + 1 : n;
	}
	mutex_unlock(&tree_change);
	return err;
}

int procfs_add(const char *path, uint32_t mode, void (*show)(struct seq *s),
	       long (*readlink)(char *buf, size_t n))
{
	return add(path, mode, show, NULL, readlink);
}

static void registered(const char *path, int err)
{
	if (err != 0)
		printk("procfs: /proc/%s cannot be made: error %d\n", path, -err);
}

void procfs_register(const char *path, void (*show)(struct seq *s))
{
	registered(path, add(path, S_IFREG | 0444, show, NULL, NULL));
}

void procfs_register_switch(const char *path, void (*show)(struct seq *s),
			    int (*store)(const char *text))
{
	registered(path, add(path, S_IFREG | 0644, show, store, NULL));
}

/* ---- inodes */

/* Takes the node over; frees it if there is no memory. */
static struct inode *make_inode(struct proc_node *node, uint32_t mode, uint64_t ino)
{
	struct inode *in = inode_alloc(mode);
	if (in == NULL) {
		kfree(node);
		return err_ptr(-ENOMEM);
	}
	in->dev = DEV_PROC;
	in->ino = ino;
	in->nlink = mode_is(mode, S_IFDIR) ? 2 : 1;
	in->iops = node->entry != NULL && mode_is(mode, S_IFLNK) ? &proc_text_iops : &proc_iops;
	in->ops = mode_is(mode, S_IFDIR)   ? &proc_dir_ops
		  : mode_is(mode, S_IFLNK) ? &proc_link_ops
		  : mode & 0222            ? &proc_switch_ops
					   : &proc_file_ops;
	in->priv = node;
	return in;
}

static struct inode *entry_inode(const struct proc_entry *e)
{
	struct proc_node *node = kzalloc(sizeof(*node));
	if (node == NULL)
		return err_ptr(-ENOMEM);
	node->entry = e;
	node->fd = -1;
	return make_inode(node, e->mode, e->ino);
}

/* The same node always has the same number: task, thread or process, file, descriptor. One that
 * 32-bit programs can be told, beyond all that inode_new_number() gives. */
uint64_t procfs_number(const struct pid_entry *pid, int tid, bool thread, int fd)
{
	enum { FILES = 32 };
	uint64_t low = fd < 0 ? procfs_pid_index(pid) : FILES + (unsigned)fd;
	_Static_assert(FILES + NOFILE <= 2048 && TID_MAX < 1 << 19, "both fit");
	return BIT(31) | (thread ? BIT(30) : 0) | (uint64_t)(unsigned)tid << 11 | low;
}

struct inode *procfs_inode(const struct pid_entry *pid, struct task *t, bool thread, int fd)
{
	struct proc_node *node = kzalloc(sizeof(*node));
	if (node == NULL)
		return err_ptr(-ENOMEM);
	node->pid = pid;
	node->task = t;
	node->thread = thread;
	node->fd = fd;
	struct inode *in = make_inode(node, pid != NULL ? pid->mode : S_IFDIR | 0555,
				      procfs_number(pid, t->tid, thread, fd));
	if (is_err(in))
		return in;
	task_get(t);
	in->uid = t->proc->cred.euid;
	in->gid = t->proc->cred.egid;
	return in;
}

int procfs_parse_number(const char *name)
{
	int v = 0;
	if (name[0] == '\0' || (name[0] == '0' && name[1] != '\0'))
		return -1;
	for (; *name != '\0'; name++) {
		if (*name < '0' || *name > '9' || v > 100000000)
			return -1;
		v = v * 10 + (*name - '0');
	}
	return v;
}

static struct inode *proc_lookup(struct inode *dir, const char *name)
{
	const struct proc_node *node = dir->priv;
	if (node->entry == NULL)
		return node->pid == NULL ? procfs_pid_lookup(dir, name)
					 : node->pid->lookup(dir, name);
	const struct proc_entry *e = find_child(node->entry, name, strlen(name));
	if (e != NULL)
		return entry_inode(e);
	int pid = node->entry == &root_entry ? procfs_parse_number(name) : -1;
	struct task *t = pid > 0 ? task_find(pid) : NULL;
	if (t == NULL)
		return err_ptr(-ENOENT);
	struct inode *in = t->proc != NULL ? procfs_inode(NULL, t, false, -1) : err_ptr(-ENOENT);
	task_put(t);
	return in;
}

static long proc_readlink(struct inode *in, char *buf, size_t n)
{
	const struct proc_node *node = in->priv;
	if (node->entry != NULL)
		return node->entry->readlink(buf, n);
	int err = procfs_alive(node->task);
	return err != 0 ? err : node->pid->readlink(node->task, node->fd, buf, n);
}

static struct inode *proc_follow(struct inode *in)
{
	const struct proc_node *node = in->priv;
	int err = procfs_alive(node->task);
	return err != 0 ? err_ptr(err) : node->pid->follow(node->task, node->fd);
}

static void proc_evict(struct inode *in)
{
	struct proc_node *node = in->priv;
	if (node->task != NULL)
		task_put(node->task);
	kfree(node);
}

static void proc_getattr(struct inode *in)
{
	in->atime_ns = in->mtime_ns = in->ctime_ns = now_ns();
}

static const struct inode_ops proc_iops = {
	.lookup = proc_lookup,
	.readlink = proc_readlink,
	.follow = proc_follow,
	.evict = proc_evict,
	.getattr = proc_getattr,
};

/* Links of the fixed tree are followed by their text. */
static const struct inode_ops proc_text_iops = {
	.readlink = proc_readlink,
	.evict = proc_evict,
	.getattr = proc_getattr,
};

/* ---- files */

static int proc_open(struct inode *in, struct file *f)
{
	const struct proc_node *node = in->priv;
	if ((f->flags & O_ACCMODE) != O_RDONLY &&
	    (!(in->mode & 0222) || current->proc->cred.euid != 0))
		return -EACCES;
	struct seq *s = kzalloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	int err = 0;
	if (node->entry != NULL) {
		void (*show)(struct seq *) = __atomic_load_n(&node->entry->show, __ATOMIC_ACQUIRE);
		if (show != NULL)
			show(s);
	} else {
		err = procfs_alive(node->task);
		if (err == 0)
			err = node->pid->show(s, node->task);
	}
	if (s->failed)
		err = -ENOMEM;
	if (err != 0) {
		seq_free(s);
		kfree(s);
		return err;
	}
	f->priv = s;
	return 0;
}

static long proc_read(struct file *f, void *buf, size_t n, uint64_t *pos)
{
	const struct seq *s = f->priv;
	if (*pos >= s->used)
		return 0;
	n = MIN(n, s->used - *pos);
	memcpy(buf, s->buf + *pos, n);
	*pos += n;
	return (long)n;
}

/* One word a write, blanks and newlines around it ignored. */
static long proc_write(struct file *f, const void *buf, size_t n, uint64_t *pos)
{
	const struct proc_node *node = f->inode->priv;
	const char *from = buf, *end = from + n;
	char word[32];

	while (from < end && (*from == ' ' || *from == '\t' || *from == '\n'))
		from++;
	while (from < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n'))
		end--;
	if ((size_t)(end - from) >= sizeof(word))
		return -EINVAL;
	memcpy(word, from, (size_t)(end - from));
	word[end - from] = '\0';
	int err = node->entry->store(word);
	if (err != 0)
		return err;
	*pos += n;
	return (long)n;
}

static void proc_release(struct file *f)
{
	seq_free(f->priv);
	kfree(f->priv);
}

static const struct file_ops proc_file_ops = {
	.read = proc_read,
	.open = proc_open,
	.release = proc_release,
};
static const struct file_ops proc_switch_ops = {
	.read = proc_read,
	.write = proc_write,
	.open = proc_open,
	.release = proc_release,
};
static const struct file_ops proc_link_ops = {0};

/* ---- directories */

enum { FIRST = 2, FIRST_PID = 256 }; /* positions: fixed entries, then FIRST_PID + pid */

static void sort(int *v, unsigned n)
{
	/* The list is in order of creation: sorted already but for wrapped numbers. */
	for (unsigned i = 1; i < n; i++) {
		int x = v[i];
		unsigned j = i;
		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

/* Pids in order; a kmalloc'ed array or NULL. */
static int *collect_pids(unsigned *count)
{
	unsigned room = 0, n = 0;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all)
		room++;
	spin_unlock_irqrestore(&task_lock, flags);
	room += 16;
	int *pids = kmalloc(room * sizeof(*pids));
	if (pids == NULL)
		return NULL;
	flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all) {
		if (n < room)
			pids[n++] = p->pid;
	}
	spin_unlock_irqrestore(&task_lock, flags);
	sort(pids, n);
	*count = n;
	return pids;
}

static int emit_pids(uint64_t *pos, emit_fn *emit, void *arg)
{
	unsigned n;
	char name[12];
	int *pids = collect_pids(&n);
	if (pids == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = FIRST_PID + (uint64_t)(unsigned)pids[i];
		if (at < *pos)
			continue;
		*pos = at;
		snprintf(name, sizeof(name), "%d", pids[i]);
		if (!emit(arg, name, procfs_number(NULL, pids[i], false, -1), DT_DIR))
			break;
		*pos = at + 1;
	}
	kfree(pids);
	return 0;
}

static int proc_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg)
{
	const struct inode *dir = f->inode;
	const struct proc_node *node = dir->priv;

	if (node->task != NULL) {
		int err = procfs_alive(node->task);
		if (err != 0)
			return err == -ESRCH ? -ENOENT : err;
	}
	for (; *pos < FIRST; ++*pos) {
		spin_lock(&tree_lock);
		uint64_t ino = *pos == 1 && dir->parent != NULL ? dir->parent->ino : dir->ino;
		spin_unlock(&tree_lock);
		if (!emit(arg, *pos == 0 ? "." : "..", ino, DT_DIR))
			return 0;
	}
	if (node->entry == NULL)
		return node->pid == NULL ? procfs_pid_readdir(f, pos, emit, arg)
					 : node->pid->readdir(f, pos, emit, arg);
	uint64_t at = FIRST;
	const struct proc_entry *e = __atomic_load_n(&node->entry->children, __ATOMIC_ACQUIRE);
	for (; e != NULL; e = __atomic_load_n(&e->next, __ATOMIC_ACQUIRE), at++) {
		if (at < *pos)
			continue;
		if (!emit(arg, e->name, e->ino, (e->mode & S_IFMT) >> 12))
			return 0;
		*pos = at + 1;
	}
	if (node->entry != &root_entry)
		return 0;
	*pos = MAX(*pos, (uint64_t)FIRST_PID);
	return emit_pids(pos, emit, arg);
}

static long proc_dir_read(unused struct file *f, unused void *buf, unused size_t n,
			  unused uint64_t *pos)
{
	return -EISDIR;
}

static const struct file_ops proc_dir_ops = {.read = proc_dir_read, .readdir = proc_readdir};

void procfs_init(void)
{
	root_entry.ino = inode_new_number();
	procfs_kernel_init();
	struct inode *root = entry_inode(&root_entry);
	int err = is_err(root) ? (int)ptr_err(root) : mount_at("/proc", root, "proc");
	if (err != 0)
		printk("procfs: cannot be mounted: error %d\n", -err);
}
