/* SPDX-License-Identifier: MIT */
/* Runs on the build host: what the Rust side believes of types and calls is what C has. */
#include <stdio.h>

#include <kaiser/kaiser.h>

extern const size_t RUST_PT_REGS_BYTES, RUST_OPS_BYTES, RUST_FLAGS_OFFSET;
size_t rust_error_length(int error);
uint64_t rust_window_bytes(unsigned cpus);

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int main(void)
{
	int bad = 0;

	bad |= RUST_PT_REGS_BYTES != sizeof(struct pt_regs);
	bad |= RUST_OPS_BYTES != sizeof(struct kaiser_ops);
	bad |= RUST_FLAGS_OFFSET != offsetof(struct pt_regs, flags);
	for (int e = 0; e > -40; e--)
		bad |= rust_error_length(e) != length(kaiser_strerror(e));
	for (unsigned cpus = 1; cpus <= KAISER_MAX_CPUS; cpus++)
		bad |= rust_window_bytes(cpus) != kaiser_window_bytes(cpus);
	puts(bad ? "Rust and C do not agree" : "Rust and C agree");
	return bad;
}
