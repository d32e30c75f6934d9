/* SPDX-License-Identifier: MIT */
/* How a futex is named: see futex.h. */
#include "futex.h"
#include "kmap.h"
#include "uaccess.h"

#define KEY_SHARED    UINT64_C(1)
#define LEVELS        4
#define BITS_OF_LEVEL 9

/* The physical address that user address va stands for; 0 if nothing is present. mm->lock held. */
static phys_t user_phys(struct mm *mm, uint64_t va)
{
	const uint64_t *table = mm->space.top;
	for (unsigned level = LEVELS; level > 0; level--) {
		unsigned shift = PAGE_SHIFT + (level - 1) * BITS_OF_LEVEL;
		uint64_t entry = table[va >> shift & (BIT(BITS_OF_LEVEL) - 1)];
		if ((entry & (PTE_P | PTE_U)) != (PTE_P | PTE_U))
			return 0;
		if (level == 1)
			return (entry & PTE_ADDR) + va % PAGE_SIZE;
		table = phys_to_virt(entry & PTE_ADDR);
	}
	return 0;
}

/* Faults the page in, from outside the lock. */
static int touch(uint64_t addr)
{
	uint32_t v;
	return user_read32(addr, &v);
}

static int shared_key_get(struct mm *mm, uint64_t addr, struct futex_key *key)
{
	for (;;) {
		mutex_lock(&mm->lock);
		const struct vma *v = mm_find(mm, addr);
		bool shared = v && (v->flags & MAP_SHARED);
		phys_t pa = shared ? user_phys(mm, addr) : 0;
		if (pa) {
			page_get(phys_to_page(pa));
			key->base = ALIGN_DOWN(pa, PAGE_SIZE) | KEY_SHARED;
			key->where = pa % PAGE_SIZE;
		}
		mutex_unlock(&mm->lock);
		if (!v)
			return -EFAULT;
		if (pa || !shared)
			return 0;
		int err = touch(addr);
		if (err)
			return err;
	}
}

int futex_key_get(struct mm *mm, uint64_t addr, bool private, struct futex_key *key)
{
	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (!user_range_ok(addr, sizeof(uint32_t)))
		return -EFAULT;
	*key = (struct futex_key){.base = (uint64_t)mm, .where = addr};
	return private ? 0 : shared_key_get(mm, addr, key);
}

static struct page *key_page(const struct futex_key *key)
{
	return key->base & KEY_SHARED ? phys_to_page(key->base) : NULL;
}

void futex_key_ref(const struct futex_key *key)
{
	struct page *p = key_page(key);
	if (p)
		page_get(p);
}

void futex_key_put(const struct futex_key *key)
{
	struct page *p = key_page(key);
	if (p)
		page_put(p);
}

const volatile uint32_t *futex_word_lock(struct mm *mm, uint64_t addr)
{
	for (;;) {
		mutex_lock(&mm->lock);
		phys_t pa = user_phys(mm, addr);
		if (pa)
			return phys_to_virt(pa);
		mutex_unlock(&mm->lock);
		if (touch(addr) != 0)
			return NULL;
	}
}
