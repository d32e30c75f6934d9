# Compiler flags: WARN for all C, KFLAGS for freestanding code (library and kernel).
WARN   := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes
KFLAGS := -std=c11 -O2 -g -ffreestanding -fno-builtin -fno-stack-protector -fno-strict-aliasing \
	  -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -momit-leaf-frame-pointer -fno-common -fPIE \
	  -fvisibility=hidden -m64 -march=x86-64 -mno-red-zone -mgeneral-regs-only -fcf-protection=none \
	  -fno-jump-tables $(WARN)
# kaiser/include/kaiser/options.h: make OPTIONS=-D...
OPTIONS ?=
KFLAGS += $(OPTIONS)
# The patch that a kernel of scripts/patched_kernel.sh names itself by.
ifneq ($(UTS_PATCHED),)
KFLAGS += -DUTS_PATCHED=\"$(UTS_PATCHED)\"
endif
ifeq ($(DEBUG),1)
KFLAGS += -DKAISER_DEBUG=1
endif
