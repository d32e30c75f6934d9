# make kernel MISTAKE=cr3-by-cs: a kernel with one of the seeded mistakes, in a folder of its own, which the
# targets below take in place of build/kaiser.elf. Every other target refuses.
MISTAKES     := $(wildcard tests/storm_seeds/*.patch tests/seeds/*.patch tests/model/seeds/*.patch tests/fuzz/*.patch)
MISTAKE_TAKE := all help mistakes kernel debug-kernel run shell debug iso bochs storm storm-deep storm-pairs \
		storm-triples fuzz fuzz-bochs trace

mistakes: ## The seeded mistakes that MISTAKE=NAME builds a kernel with
	@sed -sn 's/^Mistake: //p;T;F' $(MISTAKES) | \
	  sed 'N;s|\(.*\)\n.*/\(.*\)\.patch|\2: \1|' | sort

ifneq ($(MISTAKE),)
space      := $(subst ,, )
the_patch  := $(if $(findstring |$(MISTAKE)|,|$(subst $(space),|,$(basename $(notdir $(MISTAKES))))|),$(filter \
		%/$(MISTAKE).patch,$(MISTAKES)))
ifneq ($(words $(the_patch)),1)
$(error MISTAKE=$(MISTAKE): $(if $(the_patch),more than one is called so: $(the_patch),there is no such seeded mistake. \
  `make mistakes` tells of these: $(sort $(basename $(notdir $(MISTAKES))))))
endif
refused := $(filter-out $(MISTAKE_TAKE) $(BUILD)/%,$(MAKECMDGOALS))
ifneq ($(refused),)
$(error MISTAKE=$(MISTAKE): make $(refused) does not take a kernel with a mistake. These do: $(MISTAKE_TAKE))
endif

ifneq ($(KERNEL),)
$(error MISTAKE=$(MISTAKE) and KERNEL=$(KERNEL) are two kernels)
endif

# With make's own jobs, but not where make is to do nothing.
looks_only := $(strip $(foreach f,n q t,$(findstring $f,$(firstword -$(MAKEFLAGS)))))
# On the folders too, since a file may go; as kernel/., since kernel is another target.
$(kernel_dir)/kaiser.elf: $(the_patch) scripts/patched_kernel.sh $(shell find Makefile mk/. kaiser/. kernel/.)
	@mkdir -p $(@D)
	@echo "  PATCH   $@"
	$(if $(looks_only),,+)$(Q)flock $(@D)/lock sh -c 'scripts/patched_kernel.sh \
	  $(@D)/tree $(BUILD) $< && mv $(@D)/tree/build/kaiser.elf $@ && rm -rf $(@D)/tree/build'

kernel:
	@echo "$(kernel_dir)/kaiser.elf has the mistake of $(the_patch):"
	@sed -n 's/^Mistake: /  /p' $(the_patch)
endif

.PHONY: mistakes
