# libkaiser.a and kaiser.elf: every C and assembly file below kaiser/ and kernel/.
O := $(BUILD)/obj

LIB_SRC    := $(wildcard kaiser/src/*.c kaiser/entry/*.c kaiser/entry/*.S)
KERNEL_SRC := $(wildcard kernel/*.c kernel/*/*.c kernel/*/*.S)
LIB_OBJ    := $(patsubst %,$(O)/%.o,$(LIB_SRC))
KERNEL_OBJ := $(patsubst %,$(O)/%.o,$(KERNEL_SRC))

# mk/mistake.mk: where the kernel is that run, storm and others take.
MISTAKE    ?=
kernel_dir := $(BUILD)$(if $(MISTAKE),/mistake/$(MISTAKE))

kernel: $(kernel_dir)/kaiser.elf ## Build the reference kernel (MISTAKE=NAME: with a seeded mistake, `make mistakes`)

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

link_kernel = $(CC) -nostdlib -static-pie -Wl,-T,kernel/kernel.ld -Wl,--build-id=none -Wl,-z,text \
	  -Wl,-z,norelro -Wl,-z,max-page-size=4096 -Wl,--no-dynamic-linker -Wl,--fatal-warnings \
	  -Wl,-z,noexecstack -o $@ $(KERNEL_OBJ) $(filter %/ksyms.o %/ksyms0.o,$^) -Wl,--whole-archive \
	  $(BUILD)/libkaiser.a -Wl,--no-whole-archive

# Linked twice: a panic names functions, by a table made from the first link.
$(BUILD)/kaiser.elf: $(KERNEL_OBJ) $(BUILD)/libkaiser.a kernel/kernel.ld $(O)/ksyms.o
	@echo "  LD      $@"
	$(Q)$(link_kernel)

$(O)/kaiser0.elf: $(KERNEL_OBJ) $(BUILD)/libkaiser.a kernel/kernel.ld $(O)/ksyms0.o
	$(Q)$(link_kernel)

$(O)/ksyms0.S: mk/ksyms.awk
	@mkdir -p $(@D)
	$(Q)awk -f $< </dev/null >$@

$(O)/ksyms.S: $(O)/kaiser0.elf mk/ksyms.awk
	$(Q)LC_ALL=C nm -n $< | LC_ALL=C awk -f mk/ksyms.awk >$@

$(O)/ksyms.o $(O)/ksyms0.o: %.o: %.S
	$(Q)$(CC) $(KFLAGS) -c $< -o $@

-include $(LIB_OBJ:.o=.d) $(KERNEL_OBJ:.o=.d)
# The same with the transition trace and checks after each exec.
debug-kernel: ## Build it with debugging, in build/debug
	@$(MAKE) BUILD=$(BUILD)/debug DEBUG=1 kernel

# What a host pays for the library.
size: $(BUILD)/libkaiser.a ## Size of libkaiser's objects
	@size -t $<

.PHONY: kernel debug-kernel size
