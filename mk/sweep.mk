# The program that sweeps of the entry code run as /init, and the long sweeps.
$(BUILD)/user/paths: user/sweep/paths.S user/sweep/paths_ldt.inc user/sweep/paths_ptrace.inc user/sweep/numbers.h
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -nostdlib -static -no-pie -o $@ $<

# Events that Bochs' debugger lacks, for tests/bochs_events.t.
$(BUILD)/tests/bochs_give.so: tests/bochs_give.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu11 -O2 $(WARN) -shared -fPIC $< -o $@ -ldl

test-build: $(BUILD)/tests/bochs_give.so

STORM = $(BUILD)/kaiser storm --kernel $(kernel_dir)/kaiser.elf --program $(BUILD)/user/paths \
	--paths tools/storm/kaiser.json $(STORM_ARGS)

storm: ## Every event at every instruction of every entry path, in QEMU, then Bochs (STORM_ARGS="--shard 1/4"; JOBS=N Bochs at a time)
	@scripts/deps.sh test
	@$(MAKE) kernel $(BUILD)/kaiser $(BUILD)/user/paths $(BUILD)/tests/bochs_give.so
	$(STORM) --event nmi,mce,mce_nmi,db,timer,ipi
	$(if $(MISTAKE),@echo "Bochs left out: its sweeps are of $(BUILD)/kaiser.elf",COUNT=1 FULL=1 BUILD=$(BUILD) \
	  prove --comments --jobs $(or $(JOBS),1) tests/bochs_nmi.t tests/bochs_events.t tests/bochs_db.t)

storm-deep: ## Events within events (hours; spread it by STORM_ARGS="--shard I/N")
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory storm-pairs storm-triples
	$(STORM) --no-count --event 'nmi>nmi,nmi_iret>nmi_iret,nmi_iret>mce_nmi,mce>nmi,mce>mce_again,mce>mce_nmi_again'

# Pairs with interrupts and breakpoints, and three events deep: over some of the paths.
STORM_SOME = --path '^(syscall|sysenter|fault|nmi|badss_null)$$'
storm-pairs: ## Part of storm-deep: interrupts in NMIs and NMIs in them, breakpoints in NMIs and machine checks
	@$(MAKE) kernel $(BUILD)/kaiser $(BUILD)/user/paths
	$(STORM) --no-count $(STORM_SOME) --event 'nmi>db,mce>db,nmi>ipi,ipi>nmi,timer>mce'

# A machine check at each of an NMI's first instructions, and an NMI at each instruction from there on; NMI
# in NMI in NMI. The outermost in the head, on the user's root, and in C code's call. An NMI in a machine
# check's exit, and a second machine check from there on; the same exit reached out of an NMI.
storm-triples: ## Part of storm-deep: an NMI after a machine check in an NMI's head, NMIs three deep, and the like
	@$(MAKE) kernel $(BUILD)/kaiser $(BUILD)/user/paths
	for path in syscall fault; do \
	  for k in 0 1 2 3 4 5 6 7 8 9 10 11; do \
	    $(STORM) --no-count --path "^$$path\$$" --event 'nmi>mce>nmi' --outer 3/$$k || exit; done; \
	  $(STORM) --no-count --path "^$$path\$$" --event 'nmi_iret>nmi_iret>nmi_iret' --outer 3/60 || exit; \
	  $(STORM) --no-count --path "^$$path\$$" --event 'mce>nmi_again>mce' || exit; \
	  $(STORM) --no-count --path "^$$path\$$" --event 'nmi_iret>mce>mce_nmi_again' --outer linear:6 || exit; done

storm-linux: ## NMIs at every instruction of five of Debian's Linux 6.12's paths, as docs/storm.md has it
	@scripts/deps.sh test
	@$(MAKE) $(BUILD)/kaiser $(BUILD)/user/paths
	kernel=$$(scripts/peers.sh 6.12) && $(BUILD)/kaiser storm --kernel "$$kernel" --paths linux-6.12 --event nmi \
	  --path '^(syscall|nostack|int80|fault|opcode)$$' $(STORM_ARGS)

nmi-deep: ## Nested NMI sweeps from all over the system call's path, in Bochs
	@scripts/deps.sh test
	@$(MAKE) kernel $(BUILD)/kaiser $(BUILD)/user/paths $(BUILD)/tests/bochs_give.so
	DEEP=1 prove -v tests/bochs_nmi.t

storm-seeds: ## The seeded mistakes of the entry code, each to be found by name
	@scripts/deps.sh test
	@$(MAKE) kernel $(BUILD)/kaiser $(BUILD)/user/paths user outside
	SEED=. BUILD=$(BUILD) prove -v tests/storm_seeds.t

.PHONY: storm-seeds storm storm-deep storm-pairs storm-triples storm-linux nmi-deep
