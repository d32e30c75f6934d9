#!/bin/sh
# SPDX-License-Identifier: MIT
# What user mode can see of the kernel, from outside: tests/outside/visible.c.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
exec "$build/tests/visible" "${KERNEL_ELF:-$build/kaiser.elf}" "$build/tests/busy.cpio.gz"
