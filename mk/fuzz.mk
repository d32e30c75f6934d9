# The user-mode fuzzer: user/fuzz.
FUZZ_SEED  ?= 1
FUZZ_COUNT ?= 10000000

$(BUILD)/user/fuzz: $(wildcard user/fuzz/*.c user/fuzz/*.S) user/tests/ktap.c $(wildcard user/fuzz/*.h user/tests/ktap.h)
	@mkdir -p $(@D)
	@echo "  USER    $@"
	$(Q)$(MUSLCC) $(USER_CFLAGS) -O2 $(filter %.c %.S,$^) -o $@

fuzz: ## Fuzz user mode's ways into the kernel in QEMU (FUZZ_SEED= FUZZ_COUNT=, 10 million)
	@scripts/deps.sh test
	@$(MAKE) kernel $(BUILD)/user/fuzz
	BUILD=$(BUILD) scripts/fuzz.sh -k $(kernel_dir)/kaiser.elf -s $(FUZZ_SEED) -n $(FUZZ_COUNT)

fuzz-bochs: FUZZ_COUNT := 500000
fuzz-bochs: ## The same in Bochs (500 thousand)
	@scripts/deps.sh test
	@$(MAKE) kernel $(BUILD)/user/fuzz
	BUILD=$(BUILD) scripts/fuzz.sh -k $(kernel_dir)/kaiser.elf -b -s $(FUZZ_SEED) -n $(FUZZ_COUNT)

test-build: $(BUILD)/user/fuzz

.PHONY: fuzz fuzz-bochs
