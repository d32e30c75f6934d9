# Tests. A program of user/tests or tests/unit says in its own comments what it is built from:
#	/* SRC: path... */  /* CFLAGS: ... */  /* LIBS: ... */     each may be repeated
# user/tests/X.c with a SRC line is a suite: build/user/X.musl and X.glibc, static; one that says
# BITS: 32 has no X.musl, as Debian has none.
# tests/unit/test_X.c is a unit test of this machine under ASan and UBSan: build/unit/test_X.
tag = $(shell sed -n 's|^/\* $(1): \(.*\) \*/$$|\1|p' $(2))

MUSLCC      ?= musl-gcc
UNITDIR     ?= tests/unit
USER_CFLAGS := -std=gnu11 -O1 -g -static -mno-red-zone -Wall -Wextra -Werror -Wno-unused-result
UNIT_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	       -fno-omit-frame-pointer -Wall -Wextra -Werror -Ikaiser/include \
	       -iquote kernel/include -iquote $(UNITDIR)
SUITES := $(patsubst user/tests/%.c,%,$(shell grep -l '^/\* SRC: ' user/tests/*.c))
SUITES_32 := $(patsubst user/tests/%.c,%,$(shell grep -l '^/\* BITS: 32 ' user/tests/*.c))
# One without a SRC line cannot be built, and tests/unit.t says so.
UNITS  := $(patsubst $(UNITDIR)/%.c,%,$(shell grep -l '^/\* SRC: ' $(UNITDIR)/test_*.c))

define suite_rule
$(BUILD)/user/$(1).musl: user/tests/$(1).c $(call tag,SRC,user/tests/$(1).c) $(wildcard user/tests/*.h)
	@mkdir -p $$(@D)
	@echo "  USER    $$@"
	$(Q)$(MUSLCC) $(USER_CFLAGS) $(call tag,CFLAGS,user/tests/$(1).c) $$(filter %.c %.S,$$^) -o $$@
$(BUILD)/user/$(1).glibc: user/tests/$(1).c $(call tag,SRC,user/tests/$(1).c) $(wildcard user/tests/*.h)
	@mkdir -p $$(@D)
	@echo "  USER    $$@"
	$(Q)$(HOSTCC) $(USER_CFLAGS) $(call tag,CFLAGS,user/tests/$(1).c) $$(filter %.c %.S,$$^) -o $$@
endef
define unit_rule
$(BUILD)/unit/$(1): $(UNITDIR)/$(1).c $(call tag,SRC,$(UNITDIR)/$(1).c) \
  $(wildcard $(UNITDIR)/*.h kernel/include/*.h kaiser/include/kaiser/*.h)
	@mkdir -p $$(@D)
	@echo "  UNIT    $(1)"
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) $(call tag,CFLAGS,$(UNITDIR)/$(1).c) $$(filter %.c %.S,$$^) -o $$@ \
	  $(call tag,LIBS,$(UNITDIR)/$(1).c)
endef
$(foreach s,$(SUITES),$(eval $(call suite_rule,$(s))))
$(foreach u,$(UNITS),$(eval $(call unit_rule,$(u))))

user: $(patsubst %,$(BUILD)/user/%.musl,$(filter-out $(SUITES_32),$(SUITES))) $(SUITES:%=$(BUILD)/user/%.glibc) ## Build the guest suites
units: $(UNITS:%=$(BUILD)/unit/%) ## Build the unit tests

$(BUILD)/bochs.iso: $(BUILD)/kaiser.elf $(BUILD)/user/abi_regs.musl scripts/iso.sh
	scripts/initramfs.sh -o $(BUILD)/bochs.cpio.gz -i $(BUILD)/user/abi_regs.musl
	scripts/iso.sh -o $@ -k $(BUILD)/kaiser.elf -i $(BUILD)/bochs.cpio.gz -a "pti=on $(APPEND)"

test-build: units user kernel debug-kernel $(BUILD)/user/paths $(DEMO) $(BUILD)/kaiser.iso $(BUILD)/bochs.iso

# T=tests/unit.t runs that one; GUEST=REGEX, UNIT=REGEX pick within.
T ?= $(wildcard tests/*.t)
test: ## Install what is missing, build, run every test (T=FILE GUEST=REGEX UNIT=REGEX)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory test-build
	BUILD=$(BUILD) prove -j2 --timer --failures --comments $(T)

.PHONY: user units test-build test

bochs-guests: ## Every guest suite on Bochs' CPUs: PCID and INVPCID, PCID alone, neither (GUEST=REGEX)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory user kernel
	BUILD=$(BUILD) BOCHS_LIST=tests/bochs_all.list prove --timer --failures --comments tests/bochs.t

.PHONY: bochs-guests
