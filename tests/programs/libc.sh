# SPDX-License-Identifier: MIT
# The same C program with two C libraries, static.
t_glibc() { "${LIBC:-/bin}/libc.glibc"; }
t_musl() { [ ! -x "${LIBC:-/bin}/libc.musl" ] || "${LIBC:-/bin}/libc.musl"; }
