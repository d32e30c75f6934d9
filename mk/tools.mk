# build/kaiser, the host command; build/san/kaiser, the same under sanitizers, for the tests.
KAISER_SRC  := tools/kaiser.c $(wildcard tools/audit/*.c tools/bench/*.c tools/storm/*.c tools/lib/*.c) \
	       tools/bench/costs.S $(filter-out %_self.c,$(wildcard kaiser/src/verify*.c))
KAISER_HDR  := $(wildcard tools/audit/*.h tools/bench/*.h tools/bench/costs.json user/bench/ops.h tools/storm/*.h \
	       tools/lib/*.h kaiser/include/kaiser/*.h \
	       kaiser/src/verify*.h kaiser/src/pte.h)
KAISER_LIBS := -ljansson -ldw -lelf

tools: ## Build the kaiser command (build/kaiser --help)
	@scripts/deps.sh tools
	@$(MAKE) --no-print-directory $(BUILD)/kaiser

# The way from the command's folder to what is installed for it; another PREFIX need not change it.
$(BUILD)/places.h: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; printf '#define PLACE_%s "%s"\n' LIB "$$(realpath -ms --relative-to=$(BINDIR) $(LIBDIR)/kaiser)" \
	  DATA "$$(realpath -ms --relative-to=$(BINDIR) $(DATADIR)/kaiser)" >$$new; \
	  cmp -s $@ $$new && rm $$new || mv $$new $@

# What QEMU loads for kaiser storm.
$(BUILD)/kaiser-storm.so: tools/storm/plugin/tracer.c tools/storm/trace.h tools/bench/plugin/qemu_plugin.h
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O2 -g $(WARN) -shared -fPIC -fvisibility=hidden $< -o $@

$(BUILD)/kaiser: $(KAISER_SRC) $(KAISER_HDR) $(BUILD)/places.h | $(BUILD)/kaiser-storm.so
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O2 -g -D_FORTIFY_SOURCE=2 $(WARN) -Ikaiser/include -iquote $(BUILD) \
	  $(filter %.c %.S,$^) -o $@ $(KAISER_LIBS)

$(BUILD)/san/kaiser: $(KAISER_SRC) $(KAISER_HDR) $(BUILD)/places.h
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	  -fno-omit-frame-pointer $(WARN) -Ikaiser/include -iquote $(BUILD) $(filter %.c %.S,$^) -o $@ $(KAISER_LIBS)

test-build: $(BUILD)/kaiser $(BUILD)/san/kaiser

.PHONY: tools

$(BUILD)/tests/count: tests/outside/count.c tests/outside/walk.c $(wildcard tests/outside/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(OUTSIDE_CFLAGS) $(filter %.c,$^) -o $@

test-build: $(BUILD)/tests/count

audit-peers: ## kaiser audit on Debian's Linux 6.1 and 6.12, each with pti=on, off, nokaslr, and as distributed
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory test-build
	ALL=1 BUILD=$(BUILD) prove -v tests/audit_ranges.t

.PHONY: audit-peers
