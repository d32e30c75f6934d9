# The program that sweeps of the entry code run as /init, and the long sweeps.
$(BUILD)/user/paths: user/sweep/paths.S
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -nostdlib -static -no-pie -o $@ $<

nmi-deep: ## Nested NMI sweeps from all over the system call's path (hours in QEMU)
	@scripts/deps.sh test
	@$(MAKE) kernel inject $(BUILD)/user/paths
	DEEP=1 prove -v tests/bochs_nmi.t tests/nmi.t

.PHONY: nmi-deep
