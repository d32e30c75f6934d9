# libFuzzer on what kaiser audit reads: build/fuzz/fuzz_X of tests/fuzz/fuzz_X.c. Needs clang.
FUZZ         := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 600
FUZZ_CFLAGS  := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-fno-omit-frame-pointer $(WARN) -Ikaiser/include -pthread
FUZZ_SRC     := tests/fuzz/fuzz.c $(wildcard tools/audit/*.c) $(filter-out %/place.c,$(wildcard tools/lib/*.c)) \
		$(filter-out %_self.c,$(wildcard kaiser/src/verify*.c))

FUZZ_OBJ     := $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(FUZZ_SRC))

$(BUILD)/fuzz/obj/%.o: %.c $(wildcard tests/fuzz/*.h tools/audit/*.h tools/lib/*.h kaiser/include/kaiser/*.h kaiser/src/verify*.h)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -c $< -o $@

$(FUZZ:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(FUZZ_OBJ) tests/fuzz/seeds.pl
	@echo "  FUZZ    $@"
	$(Q)clang $(FUZZ_CFLAGS) $(filter %.o,$^) -o $@ $(KAISER_LIBS)
	$(Q)tests/fuzz/seeds.pl $(@D)

fuzz-build: $(FUZZ:%=$(BUILD)/fuzz/%)

# What a run finds stays in build/fuzz/X.crash-*, what it learns in build/fuzz/X.corpus.
fuzz-audit: ## Fuzz kaiser audit's walker and parsers (FUZZ_SECONDS=600 in all)
	@scripts/deps.sh tools fuzz
	@$(MAKE) --no-print-directory fuzz-build
	@for f in $(FUZZ); do \
		mkdir -p $(BUILD)/fuzz/$$f.corpus; echo "$$f:"; \
		$(BUILD)/fuzz/$$f -max_total_time=$$(($(FUZZ_SECONDS) / $(words $(FUZZ)))) -timeout=20 -verbosity=0 \
		  -rss_limit_mb=2048 -max_len=131072 -close_fd_mask=3 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$f. \
		  $(BUILD)/fuzz/$$f.corpus $(BUILD)/fuzz/$$f.seeds || exit 1; \
	done

test-build: fuzz-build

.PHONY: fuzz-build fuzz-audit
