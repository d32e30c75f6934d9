# build/tests/young.bin: a small kernel that makes young kernels' mistakes, for tests/young.t.
YOUNG_CFLAGS := -std=gnu11 -O1 -g -ffreestanding -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
		-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none $(WARN)

$(BUILD)/tests/young.bin: tests/young/start.S tests/young/young.c tests/young/young.ld
	@mkdir -p $(@D)
	$(HOSTCC) $(YOUNG_CFLAGS) -nostdlib -static -no-pie -Wl,-T,tests/young/young.ld -Wl,--build-id=none \
	  -Wl,-z,noexecstack $(filter %.c %.S,$^) -o $(@:.bin=.elf)
	objcopy -O binary $(@:.bin=.elf) $@

test-build: $(BUILD)/tests/young.bin
