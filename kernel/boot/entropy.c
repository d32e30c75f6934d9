/* SPDX-License-Identifier: MIT */
/*
 * Randomness for the addresses chosen at boot. Everything that may be unpredictable is absorbed
 * into a 256-bit state by a permutation that mixes it fully between words; the hardware generator,
 * where there is one, is never the only source. Draws do not reveal the state or one another.
 */
#include "local.h"

#include "cpu.h"

static uint64_t state[4];

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

/* The round of SipHash. */
static void mix(unsigned rounds)
{
	uint64_t *v = state;

	while (rounds--) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

void entropy_absorb(uint64_t word)
{
	state[3] ^= word;
	mix(2);
	state[0] ^= word;
}

void entropy_absorb_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t word;

	for (; n; b += MIN(n, 8UL), n -= MIN(n, 8UL)) {
		word = 0;
		memcpy(&word, b, MIN(n, 8UL));
		entropy_absorb(word);
	}
}

uint64_t entropy_draw(void)
{
	state[2] ^= 0xff;
	mix(6);
	return state[0] ^ state[1] ^ state[2] ^ state[3];
}

static bool hardware_word(bool seed, uint64_t *word)
{
	bool ok = false;

	for (unsigned tries = 0; tries < 16 && !ok; tries++) {
		if (seed)
			__asm__ volatile("rdseed %0; setc %1" : "=r"(*word), "=qm"(ok)::"cc");
		else
			__asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(ok)::"cc");
		if (!ok)
			__asm__ volatile("pause");
	}
	return ok;
}

static void absorb_hardware(void)
{
	uint32_t leaf0[4], leaf1[4], leaf7[4] = {0};
	uint64_t word;

	cpuid(0, 0, leaf0);
	cpuid(1, 0, leaf1);
	if (leaf0[0] >= 7)
		cpuid(7, 0, leaf7);
	for (unsigned i = 0; i < 4; i++) {
		if ((leaf7[1] & BIT(18)) && hardware_word(true, &word))
			entropy_absorb(word);
		if ((leaf1[2] & BIT(30)) && hardware_word(false, &word))
			entropy_absorb(word);
	}
	entropy_absorb((uint64_t)leaf1[0] << 32 | leaf1[1]);
}

/* Latches and reads counter 0 of the PIT, whose clock is not the TSC's. */
static unsigned pit_count(void)
{
	unsigned low;

	outb(0x43, 0);
	low = inb(0x40);
	return low | (unsigned)inb(0x40) << 8;
}

static uint64_t cmos(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

void entropy_collect(void)
{
	uint64_t now = 0;

	entropy_absorb(rdtsc());
	absorb_hardware();
	for (unsigned i = 0; i < 64; i++) {
		entropy_absorb((uint64_t)pit_count() << 48 ^ rdtsc());
		entropy_absorb(rdtsc());
	}
	for (uint8_t reg = 0; reg < 10; reg++)
		now = now << 6 ^ cmos(reg);
	entropy_absorb(now);
	entropy_absorb(rdtsc());
}
