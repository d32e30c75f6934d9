/* SPDX-License-Identifier: MIT */
/*
 * What a sequence consists of. Most pieces are instructions that enter the kernel, or change what
 * its entry or exit depends on: selectors, flags, stacks, bases; the rest is random bytes. No piece
 * jumps back, so that only the random bytes can loop. System calls that end, block or multiply the
 * process are left to those too.
 */
#include <string.h>

#include "fuzz.h"

void rng_start(struct rng *r, uint64_t seed, uint64_t index)
{
	r->state = seed * 0x9e3779b97f4a7c15u ^ index * 0xd1342543de82ef95u;
	(void)rng_next(r);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

#define N(a)       (sizeof(a) / sizeof((a)[0]))
#define PICK(g, a) ((a)[rng_below(&(g)->rng, N(a))])

uint64_t gen_value(struct generator *g)
{
	static const uint64_t bad[] = {
		0,
		1,
		0x10,
		0xfff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x00007fffffffeffe,
		0x00007fffffffefff,
		0x00007ffffffff000,
		0x00007fffffffffff,
		0x0000800000000000,
		0x0100000000000000,
		0x8000000000000000,
		0xdeadbeefcafef00d,
		0xffff7fffffffffff,
		0xffff800000000000,
		0xffff888000100000,
		0xffffc90000000000,
		0xffffffff80000000,
		0xffffffff81000000,
		0xffffffffc0000000,
		0xffffffffc0001000,
		0xffffffffc0020000,
		0xffffffffc0025000,
		0xffffffffc00251c0,
		0xffffffffc0025400,
		0xffffffffc0026000,
		0xffffffffff600000,
		0xfffffffffffff000,
		0xfffffffffffffff8,
		0xffffffffffffffff,
	};
	uint64_t r = rng_next(&g->rng);

	switch (r & 7) {
	case 0:
	case 1:
		return (uint64_t)(uintptr_t)g->arena->scratch + (r >> 8) % SCRATCH_BYTES;
	case 2:
		return (uint64_t)(uintptr_t)g->arena->code + (r >> 8) % CODE_BYTES;
	case 3:
		return r >> 8 & 0xffff;
	case 4:
		return rng_next(&g->rng);
	default:
		return bad[(r >> 8) % N(bad)] + (r & 8 ? r >> 60 : 0);
	}
}

uint64_t gen_flags(struct generator *g)
{
	static const uint64_t some[] = {0x202,   0x2,      0x302,  0x4202,  0x10202,
					0x40202, 0x602,    0x3202, 0x20202, 0x24302,
					0x50302, 0x200202, 0xfd7,  0x14302, 0x100202};

	return rng_below(&g->rng, 4) ? PICK(g, some) : rng_next(&g->rng) & 0x3fffff;
}

uint64_t gen_selector(struct generator *g)
{
	static const uint16_t some[] = {0,    3,    0x10, 0x13, 0x18,   0x1b,  0x20, 0x23,
					0x28, 0x2b, 0x30, 0x33, 0x40,   0x43,  0x4b, 0x50,
					0x53, 0x60, 0x63, 0x6b, 0x73,   0x7b,  4,    7,
					0xc,  0xf,  0x17, 0x1f, 0xfffb, 0xffff};

	return rng_below(&g->rng, 8) ? PICK(g, some) : rng_next(&g->rng) & 0xffff;
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void put(struct generator *g, const void *bytes, unsigned n)
{
	if (n > (unsigned)(g->end - g->at))
		return;
	memcpy(g->at, bytes, n);
	g->at += n;
}
#define BYTES(g, s) put(g, s, sizeof(s) - 1)

static void imm(struct generator *g, uint64_t v, unsigned n)
{
	put(g, &v, n);
}

/* reg = v */
static void set(struct generator *g, unsigned reg, uint64_t v)
{
	uint8_t op[2] = {(uint8_t)(0x48 | (reg >> 3)), (uint8_t)(0xb8 | (reg & 7))};

	put(g, op, 2);
	imm(g, v, 8);
}

static void push(struct generator *g, uint64_t v)
{
	set(g, RAX, v);
	BYTES(g, "\x50");
}

static void stack(struct generator *g)
{
	set(g, RSP, (uint64_t)(uintptr_t)g->arena->scratch + SCRATCH_BYTES / 2);
}

static uint64_t somewhere(struct generator *g)
{
	/* Behind this piece, for a while, or anywhere. */
	if (rng_below(&g->rng, 3))
		return (uint64_t)(uintptr_t)g->at + rng_below(&g->rng, 64);
	return gen_value(g);
}

static void safe_call(struct generator *g)
{
	static const uint32_t calls[] = {39,         110,        186,        24,  102, 9999,
					 0x40000027, 0x80000001, 0xffffffff, 334, 158, 205,
					 154,        131,        172,        173, 15,  219};
	uint32_t nr = rng_below(&g->rng, 4) ? calls[rng_below(&g->rng, 3)] : PICK(g, calls);

	if (rng_below(&g->rng, 3) == 0)
		for (unsigned i = 0; i < 3; i++)
			set(g, (unsigned[]){RDI, RSI, RDX}[i], gen_value(g));
	if (nr == 158) /* arch_prctl */
		set(g, RDI, 0x1001 + rng_below(&g->rng, 4));
	BYTES(g, "\xb8");
	imm(g, nr, 4);
}

static void enter(struct generator *g)
{
	uint8_t n = (uint8_t)rng_next(&g->rng);
	static const uint8_t usual[] = {3, 4, 0x80, 0x80, 0x80, 1, 2, 8, 13, 14, 0x20, 0xf0};

	switch (rng_below(&g->rng, 12)) {
	default:
		safe_call(g);
		BYTES(g, "\x0f\x05");
		break;
	case 5:
		safe_call(g);
		BYTES(g, "\x0f\x34"); /* SYSENTER */
		break;
	case 6:
	case 7:
		safe_call(g);
		BYTES(g, "\xcd");
		imm(g, n & 1 ? PICK(g, usual) : n, 1);
		break;
	case 8:
		BYTES(g, "\xcc");
		break;
	case 9:
		BYTES(g, "\x0f\x0b");
		break;
	case 10:
		BYTES(g, "\xf1");
		break;
	case 11: /* a signal, with the stack as it is */
		set(g, RDI, g->pid);
		set(g, RSI, 10);
		BYTES(g, "\xb8\x3e\0\0\0\x0f\x05");
		break;
	}
}

static void load_selector(struct generator *g)
{
	static const uint8_t reg[] = {0xd8, 0xc0, 0xd0, 0xe0, 0xe8}; /* ds es ss fs gs, from eax */

	set(g, RAX, gen_selector(g));
	BYTES(g, "\x8e");
	imm(g, PICK(g, reg), 1);
}

/* SS from a register or memory, then at once what enters the kernel. */
static void shadowed(struct generator *g)
{
	set(g, RCX, 0x2b);
	if (rng_below(&g->rng, 2)) {
		BYTES(g, "\x8e\xd1");
	} else {
		set(g, RBX, (uint64_t)(uintptr_t)g->arena->scratch + 8 * rng_below(&g->rng, 8));
		BYTES(g, "\x66\x89\x0b"); /* mov %cx, (%rbx) */
		safe_call(g);
		BYTES(g, "\x8e\x13"); /* mov (%rbx), %ss */
	}
	static const char *const next[] = {"\x0f\x05", "\xcc", "\x0f\x0b",
					   "\xcd\x80", "\x9d", "\xf4"};
	put(g, next[rng_below(&g->rng, N(next))], 2);
}

static void flags(struct generator *g)
{
	if (rng_below(&g->rng, 4))
		stack(g);
	push(g, gen_flags(g));
	if (rng_below(&g->rng, 8) == 0)
		BYTES(g, "\x66");
	BYTES(g, "\x9d");
}

static void far_return(struct generator *g)
{
	static const uint16_t code_selectors[] = {0x33, 0x33, 0x33, 0x23, 0x23, 0x10, 0x13};
	bool likely = rng_below(&g->rng, 3) != 0;

	stack(g);
	if (rng_below(&g->rng, 3)) {
		push(g, likely ? 0x2b : gen_selector(g));
		push(g, rng_below(&g->rng, 2) ? (uint64_t)(uintptr_t)g->arena->scratch + 4096
					      : gen_value(g));
		push(g, gen_flags(g));
		push(g, likely ? PICK(g, code_selectors) : gen_selector(g));
		push(g, somewhere(g));
		BYTES(g, "\x48\xcf"); /* IRETQ */
	} else {
		push(g, likely ? PICK(g, code_selectors) : gen_selector(g));
		push(g, somewhere(g));
		BYTES(g, "\x48\xcb"); /* LRETQ */
	}
}

static void far_jump(struct generator *g)
{
	struct {
		uint32_t ip;
		uint16_t cs;
	} __attribute__((packed))
	to = {(uint32_t)somewhere(g), (uint16_t)(rng_below(&g->rng, 2) ? 0x23 : gen_selector(g))};
	uint8_t *at = g->arena->scratch + 16 * rng_below(&g->rng, 16);

	memcpy(at, &to, sizeof(to));
	set(g, RBX, (uint64_t)(uintptr_t)at);
	BYTES(g, "\xff\x2b");
}

static void bases(struct generator *g)
{
	static const uint8_t op[] = {0xc0, 0xc8, 0xd0,
				     0xd8}; /* RDFSBASE RDGSBASE WRFSBASE WRGSBASE rax */

	set(g, RAX, gen_value(g));
	BYTES(g, "\xf3\x48\x0f\xae");
	imm(g, PICK(g, op), 1);
}

static void touch(struct generator *g)
{
	static const char *const ops[] = {
		"\x48\x8b\x03",     "\x48\x89\x03",     "\xf0\x48\x0f\xb1\x0b",
		"\x0f\x18\x0b",     "\xff\x13",         "\xff\xe3",
		"\x0f\xae\x0b",     "\x48\x0f\xae\x0b", "\x48\x0f\xae\x2b",
		"\x0f\xae\x13",     "\xd9\x23",         "\xdd\x23",
		"\x0f\xae\x3b",     "\x48\x0f\xc7\x0b", "\x65\x48\x8b\x03",
		"\x64\x48\x89\x03", "\xff\xd3",         "\x0f\x00\xe3",
		"\x0f\x01\x3b",     "\x66\x0f\x6f\x03",
	};
	const char *op = PICK(g, ops);

	set(g, RBX, gen_value(g));
	put(g, op, (unsigned)strlen(op));
}

static void privileged(struct generator *g)
{
	static const char *const ops[] = {
		"\x0f\x01\xf8", "\x0f\x32",     "\x0f\x30",     "\x0f\x20\xd8",
		"\x0f\x22\xd8", "\x0f\x21\xf8", "\x0f\x23\xf8", "\x0f\x01\x13",
		"\x0f\x01\x1b", "\x0f\x00\xd8", "\x0f\x00\xd0", "\x0f\x06",
		"\xfa",         "\xfb",         "\xf4",         "\xe4\x60",
		"\xe6\x80",     "\x6d",         "\x48\x0f\x07", "\x0f\x35",
		"\x0f\xaa",     "\x0f\x01\xc8", "\x0f\x01\xc9", "\x0f\x01\xc1",
		"\x0f\x01\xd1", "\x0f\x01\xca", "\x0f\x01\xcb", "\x0f\x09",
		"\x0f\x08",     "\x0f\x33",     "\x0f\x01\xd0", "\x0f\xa2",
		"\x0f\x31",     "\x0f\x01\xf9", "\x0f\x01\x03", "\x0f\x01\x0b",
		"\x0f\x00\x03", "\x0f\x00\x0b", "\x0f\x02\xc1", "\x0f\x03\xc1",
		"\x0f\x01\xe0", "\xf7\xf1",     "\x0f\xc7\xf8", "\xce",
		"\x06",         "\xd7",         "\x0f\x01\xd5", "\x66\x0f\x38\x82\x03",
	};
	const char *op = PICK(g, ops);

	set(g, RBX, gen_value(g));
	set(g, RCX, gen_value(g));
	put(g, op, (unsigned)strlen(op));
}

/* A frame for rt_sigreturn, likely enough to be taken. */
static void sigreturn(struct generator *g)
{
	uint64_t *f = (uint64_t *)(g->arena->scratch + SCRATCH_BYTES - 8192);

	memset(f, 0, 600);
	for (unsigned i = 5; i < 22; i++)
		f[i] = gen_value(g);
	f[5 + 15] = (uint64_t)(uintptr_t)g->arena->scratch + 16384;
	if (rng_below(&g->rng, 2))
		f[5 + 16] = (uint64_t)(uintptr_t)g->at + 40;
	f[5 + 17] = gen_flags(g);
	f[5 + 18] = 0x002b000000000033;
	if (rng_below(&g->rng, 2))
		f[5 + 18] = gen_selector(g) | gen_selector(g) << 48;
	if (rng_below(&g->rng, 2))
		f[5 + 23] = gen_value(g);
	f[0] = rng_next(&g->rng) & 7;
	set(g, RSP, (uint64_t)(uintptr_t)f);
	BYTES(g, "\xb8\x0f\0\0\0\x0f\x05");
}

static void noise(struct generator *g)
{
	for (unsigned n = 1 + rng_below(&g->rng, 15); n > 0; n--)
		imm(g, rng_next(&g->rng) >> 40, 1);
}

static void piece(struct generator *g)
{
	switch (rng_below(&g->rng, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		enter(g);
		break;
	case 5:
	case 6:
	case 7:
		flags(g);
		break;
	case 8:
	case 9:
		load_selector(g);
		break;
	case 10:
		shadowed(g);
		break;
	case 11:
	case 12:
		far_return(g);
		break;
	case 13:
		far_jump(g);
		break;
	case 14:
	case 15:
		bases(g);
		break;
	case 16:
		set(g, RSP, gen_value(g));
		break;
	case 17:
		sigreturn(g);
		break;
	case 18:
	case 19:
		touch(g);
		break;
	case 20:
	case 21:
		privileged(g);
		break;
	case 22:
		set(g, rng_below(&g->rng, 16), gen_value(g));
		break;
	default:
		noise(g);
	}
}

void generate(struct generator *g, uint64_t seed, uint64_t index, struct start *s)
{
	unsigned pieces;

	rng_start(&g->rng, seed, index);
	for (unsigned i = 0; i < 16; i++)
		s->reg[i] = gen_value(g);
	if (rng_below(&g->rng, 2))
		s->reg[RSP] = (uint64_t)(uintptr_t)g->arena->scratch + SCRATCH_BYTES / 2;
	s->flags = gen_flags(g) & ~0x100u; /* TF would stop it before its first instruction */
	s->ip = (uint64_t)(uintptr_t)g->arena->code;
	g->at = g->arena->code;
	g->end = g->arena->code + CODE_BYTES - 2;
	pieces = 1 + rng_below(&g->rng, 6);
	while (pieces-- > 0)
		piece(g);
	g->end += 2;
	BYTES(g, "\x0f\x0b");
	/* What a jump may land on behind it. */
	memset(g->at, 0xcc, (size_t)(g->end - g->at < 80 ? g->end - g->at : 80));
}
