/* SPDX-License-Identifier: MIT */
/* The random number generator: a 256-bit key, and ChaCha20 under it.
 *
 * Mixing in replaces the key by F(key xor input), so nothing an attacker feeds in can take away
 * what was unknown. A request takes one block: half of it becomes the next key at once, the other
 * half keys the stream that the caller gets; so a key read out of memory later tells nothing about
 * numbers handed out before (fast key erasure). */
#include "cpu.h"
#include "fs.h"
#include "random.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

enum { GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4, STIR_EVENTS = 64 };

static spinlock_t lock = SPINLOCK_INIT; /* irqsave */
static uint32_t pool[8];
static bool started;
static uint8_t kept[64];
static unsigned kept_left; /* bytes at the end of it that nobody got yet */

static uint32_t rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline __attribute__((__always_inline__)) void quarter(uint32_t *x, unsigned a, unsigned b,
							      unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

static void chacha_block(const uint32_t key[8], uint64_t counter, uint32_t out[16])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	memcpy(in + 4, key, 32);
	in[12] = (uint32_t)counter;
	in[13] = (uint32_t)(counter >> 32);
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

/* The compiler must not drop the clearing of memory that is not read again. */
static void wipe(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" ::"r"(p) : "memory");
}

static bool hardware_random(uint64_t *v)
{
	unsigned char ok = 0;
	for (int i = 0; i < 10 && !ok && cpu_has(CPU_RDSEED); i++)
		__asm__ volatile("rdseed %0; setc %1" : "=r"(*v), "=qm"(ok)::"cc");
	for (int i = 0; i < 10 && !ok && cpu_has(CPU_RDRAND); i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok)::"cc");
	return ok;
}

/* lock held. n is at most 32. */
static void mix(const void *seed, size_t n)
{
	uint8_t in[32] = {0};
	uint32_t block[16];
	memcpy(in, seed, n);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t w;
		memcpy(&w, in + 4 * i, 4);
		pool[i] ^= w;
	}
	chacha_block(pool, n, block);
	memcpy(pool, block, sizeof(pool));
	/* What is kept was drawn before. */
	wipe(kept, sizeof(kept));
	kept_left = 0;
	wipe(in, sizeof(in));
	wipe(block, sizeof(block));
}

/* What the machine itself can give: hardware numbers, and how long things took. lock held. */
static void mix_machine(unsigned rounds)
{
	for (unsigned r = 0; r < rounds; r++) {
		uint64_t v[4];
		for (unsigned i = 0; i < 3; i++)
			if (!hardware_random(&v[i]))
				v[i] = rdtsc();
		v[3] = rdtsc();
		mix(v, sizeof(v));
	}
}

void random_seed(const void *seed, size_t n)
{
	const uint8_t *p = seed;
	uint64_t flags = spin_lock_irqsave(&lock);
	for (size_t done = 0; done < n; done += 32)
		mix(p + done, MIN(n - done, (size_t)32));
	mix_machine(1);
	spin_unlock_irqrestore(&lock, flags);
}

void random_stir(void)
{
	static uint64_t times[4];
	static unsigned events;
	uint64_t now = rdtsc();
	uint64_t flags = spin_lock_irqsave(&lock);
	uint64_t *t = &times[events % 4];
	*t = (*t << 19 | *t >> 45) ^ now;
	if (++events % STIR_EVENTS == 0)
		mix(times, sizeof(times));
	spin_unlock_irqrestore(&lock, flags);
}

/* A key for one stream. lock held. */
static void draw_key(uint32_t key[8])
{
	uint32_t block[16];
	mix_machine(started ? 1 : 32);
	started = true;
	chacha_block(pool, UINT64_MAX, block);
	memcpy(pool, block, sizeof(pool));
	memcpy(key, block + 8, 32);
	wipe(block, sizeof(block));
}

static void stream(const uint32_t key[8], uint8_t *p, size_t n)
{
	uint32_t block[16];
	for (uint64_t i = 0; n > 0; i++) {
		size_t k = MIN(n, sizeof(block));
		chacha_block(key, i, block);
		memcpy(p, block, k);
		p += k;
		n -= k;
	}
	wipe(block, sizeof(block));
}

/* lock held */
static void take_kept(uint8_t *p, size_t n)
{
	uint32_t key[8];
	if (kept_left < n) {
		draw_key(key);
		stream(key, kept, sizeof(kept));
		wipe(key, sizeof(key));
		kept_left = sizeof(kept);
	}
	kept_left -= (unsigned)n;
	memcpy(p, kept + kept_left, n);
	wipe(kept + kept_left, n);
}

void random_bytes(void *buf, size_t n)
{
	uint32_t key[8];
	uint64_t flags = spin_lock_irqsave(&lock);
	if (n <= 16) {
		take_kept(buf, n);
		spin_unlock_irqrestore(&lock, flags);
		return;
	}
	draw_key(key);
	spin_unlock_irqrestore(&lock, flags);
	stream(key, buf, n);
	wipe(key, sizeof(key));
}

SYSCALL3(getrandom, uint64_t, buf, uint64_t, n, unsigned, flags)
{
	uint8_t chunk[256];
	uint64_t done = 0;

	if ((flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = MIN(n, (uint64_t)INT32_MAX);
	while (done < n) {
		size_t k = MIN(n - done, sizeof(chunk));
		random_bytes(chunk, k);
		if (copy_to_user(buf + done, chunk, k) != 0)
			break;
		done += k;
		/* A small request is whole or fails; a large one must not hold up a signal. */
		if (done < n && signal_pending())
			break;
	}
	wipe(chunk, sizeof(chunk));
	return done > 0 || n == 0 ? (long)done : -EFAULT;
}
