# Programs of tests/outside: they look at a guest under QEMU from outside. And the guests' own.
OUTSIDE_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		  -fno-omit-frame-pointer $(WARN) -Ikaiser/include
GUEST_CFLAGS   := -std=gnu11 -O1 -static-pie -nostdlib -fPIE -ffreestanding -fno-stack-protector \
		  -fcf-protection=none -mno-red-zone -Wall -Wextra -Werror
OUTSIDE_LIB    := $(addprefix tests/outside/,vm.c walk.c) tools/lib/qmp.c
VERIFY_SRC     := $(filter-out %_self.c,$(wildcard kaiser/src/verify*.c))

OUTSIDE_INITRDS := $(addprefix $(BUILD)/tests/,busy.cpio.gz residue.cpio.gz off.cpio.gz asks.cpio.gz \
		   busy32.cpio.gz ldt.cpio.gz unisolated.cpio.gz)

outside: $(BUILD)/tests/visible $(BUILD)/tests/residue $(OUTSIDE_INITRDS) ## Build tests/outside

$(BUILD)/tests/visible: $(addprefix tests/outside/,visible.c look.c scan.c second.c) $(VERIFY_SRC)
$(BUILD)/tests/residue: tests/outside/residue.c
$(BUILD)/tests/visible $(BUILD)/tests/residue: $(OUTSIDE_LIB) \
  $(wildcard tests/outside/*.h tools/lib/*.h kaiser/include/kaiser/*.h kaiser/src/verify*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(OUTSIDE_CFLAGS) $(filter %.c,$^) -o $@

$(BUILD)/tests/guest/%: tests/outside/guest/%.c $(wildcard tests/outside/guest/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(GUEST_CFLAGS) $(filter %.c %.S,$^) -o $@
	@! readelf -rW $@ | grep R_X86_64 || { rm $@; echo "$@: nobody does its relocations"; exit 1; }

$(BUILD)/tests/guest/busy32: tests/outside/guest/busy32.S
	@mkdir -p $(@D)
	$(HOSTCC) -m32 -nostdlib -static -no-pie $< -o $@

$(BUILD)/tests/%.cpio.gz: $(BUILD)/tests/guest/% scripts/initramfs.sh
	scripts/initramfs.sh -o $@ -i $<

$(BUILD)/tests/residue.cpio.gz: $(addprefix $(BUILD)/tests/guest/,residue pattern other) \
  scripts/initramfs.sh
	scripts/initramfs.sh -o $@ -i $(BUILD)/tests/guest/residue \
	  pattern=$(BUILD)/tests/guest/pattern other=$(BUILD)/tests/guest/other

test-build: outside

.PHONY: outside
.SECONDARY: $(addprefix $(BUILD)/tests/guest/,busy busy32 ldt unisolated off residue pattern other asks)
