#!/bin/sh
# SPDX-License-Identifier: MIT
# What one process leaves for the next on its CPU, under a storm of NMIs: tests/outside/residue.c.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
exec "$build/tests/residue" "${KERNEL_ELF:-$build/kaiser.elf}" "$build/tests/residue.cpio.gz"
