/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c user/tests/hostile_pointers.c user/tests/hostile_insns.c */
/* SRC: user/tests/hostile_frames.c */
/*
 * Programs that do what no program may: each is to die of the right signal, or to be told an error,
 * and the kernel is to go on. Every case runs in a child of its own; a kernel that a case hurts
 * does not print the next line.
 */
#include "hostile.h"
#include "ktap.h"

const uint64_t bad_addrs[BAD_ADDRS] = {
	1,
	0xfff,
	0x00007ffffffff000,
	0x0000800000000000,
	0x0100000000000000,
	0xdeadbeefcafef00d,
	0xffff7fffffffffff,
	0xffff800000000000,
	0xffff880000000000,
	0xffff888000100000,
	0xffffc90000000000,
	0xffffffff80000000,
	0xffffffff81000000,
	0xffffffffc0000000,
	0xffffffffc0001000,
	0xffffffffc0025000,
	0xffffffffff600000,
	0xfffffffffffffff8,
};

int main(void)
{
	ktap_start();
	hostile_pointers();
	hostile_insns();
	hostile_frames();
	return ktap_end();
}
