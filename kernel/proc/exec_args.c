/* SPDX-License-Identifier: MIT */
/* The arguments of execve, copied in before the old image goes. */
#include "ia32.h"
#include "proc.h"
#include "slab.h"
#include "uaccess.h"

enum { FIRST_POINTERS = 32, SHORT_STRING = 512 };

static int grow(struct exec_args *a, size_t *room)
{
	size_t more = *room ? *room * 2 : FIRST_POINTERS;
	char **v = kmalloc(more * sizeof(*v));

	if (!v)
		return -ENOMEM;
	if (a->n)
		memcpy(v, a->v, a->n * sizeof(*v));
	kfree(a->v);
	a->v = v;
	*room = more;
	return 0;
}

/* One string, in memory of just its size. Few are long, so a short buffer is tried first. */
static char *copy_string(uint64_t va, char *buf, char **big, size_t *bytes)
{
	char *from = buf, *s;
	long n = strncpy_from_user(buf, va, SHORT_STRING);

	if (n == -ENAMETOOLONG) {
		if (!*big)
			*big = kmalloc(ARG_MAX_STRING);
		if (!*big)
			return err_ptr(-ENOMEM);
		from = *big;
		n = strncpy_from_user(from, va, ARG_MAX_STRING);
	}
	if (n < 0)
		return err_ptr(n == -ENAMETOOLONG ? -E2BIG : n);
	s = kmalloc((size_t)n + 1);
	if (!s)
		return err_ptr(-ENOMEM);
	memcpy(s, from, (size_t)n + 1);
	*bytes = (size_t)n + 1;
	return s;
}

static int copy_all(struct exec_args *a, uint64_t array, size_t *total, char *buf, char **big)
{
	size_t room = 0;
	size_t pointer = in_ia32_call() ? sizeof(uint32_t) : sizeof(uint64_t);

	for (;; array += pointer) {
		uint64_t va = 0;
		size_t bytes = 0;
		char *s;

		if (a->n == room) {
			int err = grow(a, &room);

			if (err)
				return err;
		}
		a->v[a->n] = NULL;
		if (array && copy_from_user(&va, array, pointer) != 0)
			return -EFAULT;
		if (!va)
			return 0;
		s = copy_string(va, buf, big, &bytes);
		if (is_err(s))
			return (int)ptr_err(s);
		a->v[a->n++] = s;
		*total += bytes + sizeof(uint64_t);
		if (*total > ARG_MAX_TOTAL)
			return -E2BIG;
	}
}

int exec_args_copy(struct exec_args *a, uint64_t user_array, size_t *total)
{
	char *buf = kmalloc(SHORT_STRING), *big = NULL;
	int err = -ENOMEM;

	*a = (struct exec_args){NULL, 0};
	if (buf)
		err = copy_all(a, user_array, total, buf, &big);
	kfree(big);
	kfree(buf);
	return err;
}

void exec_args_free(struct exec_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		kfree(a->v[i]);
	kfree(a->v);
}
