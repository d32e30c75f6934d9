# build/inject: an event at each instruction of a guest, over QEMU's gdb stub.
TOOL_CFLAGS := -std=gnu11 -O2 -g -D_FORTIFY_SOURCE=2 $(WARN)

inject: $(BUILD)/inject ## Build the event injector (build/inject --help)

$(BUILD)/inject: $(wildcard tools/inject/*.c) tools/lib/gdbstub.c tools/lib/qmp.c \
  $(wildcard tools/inject/*.h tools/lib/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(TOOL_CFLAGS) $(filter %.c,$^) -o $@

.PHONY: inject
