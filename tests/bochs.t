#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest suites on CPUs that QEMU does not have: tests/bochs.list, as tests/guest.t runs its own.
exec env GUEST_LIST="${BOCHS_LIST:-tests/bochs.list}" "$(dirname "$0")/guest.t"
