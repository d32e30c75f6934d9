/* SPDX-License-Identifier: MIT */
/* Arrays of the program's longs, 4 bytes each for 32-bit programs, 8 for the others. */
#include "ia32.h"
#include "uaccess.h"

int longs_from_user(int64_t *dst, uint64_t va, size_t n, bool narrow)
{
	/* In the upper half of dst first, from where each is moved down before it is written over.
	 */
	const char *from = (const char *)dst + n * sizeof(int32_t);

	if (!narrow)
		return copy_from_user(dst, va, n * sizeof(*dst));
	if (copy_from_user((char *)dst + n * sizeof(int32_t), va, n * sizeof(int32_t)) != 0)
		return -EFAULT;
	for (size_t i = 0; i < n; i++, from += sizeof(int32_t)) {
		int32_t v;

		memcpy(&v, from, sizeof(v));
		dst[i] = v;
	}
	return 0;
}

int longs_to_user(uint64_t va, const int64_t *src, size_t n, bool narrow)
{
	int32_t few[32];

	if (!narrow)
		return copy_to_user(va, src, n * sizeof(*src));
	if (n > ARRAY_SIZE(few))
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		few[i] = (int32_t)src[i];
	return copy_to_user(va, few, n * sizeof(*few));
}
