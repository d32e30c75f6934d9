# build/model/model: libkaiser's C against caches that keep whatever they may: tests/model/model.h.
# MODEL_OF: another tree of the library, such as one with a seeded mistake.
MODEL_OF    ?= kaiser
MODEL_STEPS ?= 10000000
MODEL_FLAGS := -std=gnu11 -O2 -g $(WARN) -DKAISER_FAKE_HW -I$(MODEL_OF)/include -I$(MODEL_OF)/src
MODEL_O     := $(BUILD)/model/obj
MODEL_HDR   := $(wildcard $(MODEL_OF)/src/*.h $(MODEL_OF)/include/kaiser/*.h tests/model/*.h)
MODEL_LIB   := $(filter-out $(MODEL_OF)/src/verify%,$(wildcard $(MODEL_OF)/src/*.c))
MODEL_SRC   := $(wildcard tests/model/*.c)
MODEL_OBJ   := $(MODEL_LIB:$(MODEL_OF)/src/%.c=$(MODEL_O)/lib_%.o) \
	       $(MODEL_SRC:tests/model/%.c=$(MODEL_O)/%.o) $(MODEL_O)/template.o

model: $(BUILD)/model/model ## Ten million steps of the flush model (MODEL_STEPS)
	$(BUILD)/model/model --steps $(MODEL_STEPS) --out $(BUILD)/model/failure.txt

$(MODEL_O)/lib_%.o: $(MODEL_OF)/src/%.c $(MODEL_HDR)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(MODEL_FLAGS) $(MODEL_EXTRA) -include tests/model/yield.h -c $< -o $@

$(MODEL_O)/%.o: tests/model/%.c $(MODEL_HDR)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(MODEL_FLAGS) $(MODEL_EXTRA) -c $< -o $@

$(MODEL_O)/template.o: $(MODEL_OF)/entry/template.S \
  $(wildcard $(MODEL_OF)/entry/* $(MODEL_OF)/include/kaiser/*.h)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(MODEL_FLAGS) -c $< -o $@

$(BUILD)/model/model: $(MODEL_OBJ)
	@echo "  MODEL   $@"
	$(Q)$(HOSTCC) $(MODEL_EXTRA) $^ -o $@

# The same under ASan and UBSan.
ifeq ($(MODEL_EXTRA),)
$(BUILD)/san/model/model: $(MODEL_SRC) $(MODEL_LIB) $(MODEL_HDR)
	@$(MAKE) BUILD=$(BUILD)/san MODEL_EXTRA="-fsanitize=address,undefined \
	  -fno-sanitize-recover=undefined -fno-omit-frame-pointer" $@
endif

test-build: $(BUILD)/model/model $(BUILD)/san/model/model

.PHONY: model
