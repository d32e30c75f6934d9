# libkaiser.a and kaiser.elf: every C and assembly file below kaiser/ and kernel/.
O := $(BUILD)/obj

LIB_SRC    := $(wildcard kaiser/src/*.c kaiser/entry/*.c kaiser/entry/*.S)
KERNEL_SRC := $(wildcard kernel/*.c kernel/*/*.c kernel/*/*.S)
LIB_OBJ    := $(patsubst %,$(O)/%.o,$(LIB_SRC))
KERNEL_OBJ := $(patsubst %,$(O)/%.o,$(KERNEL_SRC))

kernel: $(BUILD)/kaiser.elf ## Build the reference kernel

$(O)/kaiser/%.o: kaiser/%
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(KFLAGS) -Ikaiser/include -Ikaiser/src -MMD -c $< -o $@

$(O)/kernel/%.o: kernel/%
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(KFLAGS) -Ikernel/include -Ikaiser/include -MMD -c $< -o $@

$(BUILD)/libkaiser.a: $(LIB_OBJ)
	@echo "  AR      $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/kaiser.elf: $(KERNEL_OBJ) $(BUILD)/libkaiser.a kernel/kernel.ld
	@echo "  LD      $@"
	$(Q)$(CC) -nostdlib -static-pie -Wl,-T,kernel/kernel.ld -Wl,--build-id=none -Wl,-z,text \
	  -Wl,-z,norelro -Wl,-z,max-page-size=4096 -Wl,--no-dynamic-linker -Wl,--fatal-warnings \
	  -Wl,-z,noexecstack -o $@ $(KERNEL_OBJ) -Wl,--whole-archive $(BUILD)/libkaiser.a \
	  -Wl,--no-whole-archive

-include $(LIB_OBJ:.o=.d) $(KERNEL_OBJ:.o=.d)
# The same with the transition trace and checks after each exec.
debug-kernel: ## Build it with debugging, in build/debug
	@$(MAKE) BUILD=$(BUILD)/debug DEBUG=1 kernel

# What a host pays for the library.
size: $(BUILD)/libkaiser.a ## Size of libkaiser's objects
	@size -t $<

.PHONY: kernel debug-kernel size
