# build/trace/trace: the flush model fed by a Bochs trace of the kernel at work. tests/trace/run.sh.
TRACE_SRC   := $(wildcard tests/trace/follow.c tests/trace/trace.c) tests/model/tlb.c
TRACE_INSNS ?= 25000000

$(BUILD)/trace/trace: $(TRACE_SRC) $(wildcard tests/trace/*.h) tests/model/tlb.h
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(TOOL_CFLAGS) -Itests/model $(TRACE_SRC) -o $@

$(BUILD)/trace/buffer.so: tests/trace/buffer.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu11 -O2 $(WARN) -shared -fPIC $< -o $@ -ldl

$(BUILD)/trace/%: tests/trace/%.c $(wildcard tests/trace/*.h)
	@mkdir -p $(@D)
	$(Q)$(MUSLCC) $(USER_CFLAGS) $< -o $@

TRACE := $(addprefix $(BUILD)/trace/,trace buffer.so work count)

trace: $(TRACE) ## Follow 25 million instructions of the kernel in Bochs with the flush model (TRACE_INSNS)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory kernel
	BUILD=$(BUILD) tests/trace/run.sh -k $(kernel_dir)/kaiser.elf -n $(TRACE_INSNS) -t 3600

counts: $(TRACE) ## CR3 writes and flushes of each operation, on one CPU and on two (docs/flushes.md)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory kernel
	BUILD=$(BUILD) tests/trace/counts.sh -s 1
	BUILD=$(BUILD) tests/trace/counts.sh -s 2

test-build: $(TRACE)

.PHONY: trace counts
