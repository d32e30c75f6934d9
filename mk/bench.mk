# kaiser bench: the program its guests run, and the recorder that QEMU loads.
BENCH_CFLAGS := -std=gnu11 -O2 -g -static -mno-red-zone $(WARN)

BENCH_FILES := $(addprefix $(BUILD)/,kaiser kaiser-bench.so bench.cpio.gz)

bench: ## Build what kaiser bench needs
	@scripts/deps.sh tools bench
	@$(MAKE) --no-print-directory $(BENCH_FILES)

$(BUILD)/kaiser-bench.so: $(wildcard tools/bench/plugin/*.c) tools/bench/trace.h $(wildcard tools/bench/plugin/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O2 -g $(WARN) -shared -fPIC -fvisibility=hidden $(filter %.c,$^) -o $@

$(BUILD)/user/bench: $(wildcard user/bench/*.c) $(wildcard user/bench/*.h) tools/bench/trace.h
	@mkdir -p $(@D)
	$(MUSLCC) $(BENCH_CFLAGS) $(filter %.c,$^) -o $@

$(BUILD)/user/bench32: user/bench/bench32.S
	@mkdir -p $(@D)
	$(HOSTCC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none -o $@ $<

$(BUILD)/bench.cpio.gz: $(BUILD)/user/bench $(BUILD)/user/bench32 scripts/initramfs.sh
	scripts/initramfs.sh -o $@ -i $< bench32=$(BUILD)/user/bench32

test-build: $(BENCH_FILES)

.PHONY: bench
