# Isolation switched on and off ten thousand times under load and NMIs, on four CPUs.
TOGGLES ?= 10000

toggle-storm: ## Ten thousand switches of isolation at run time under NMIs (TOGGLES, CPUS=4)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory kernel $(BUILD)/user/toggle.musl
	scripts/initramfs.sh -o $(BUILD)/toggle.cpio.gz -i $(BUILD)/user/toggle.musl
	scripts/qemu.sh -N -s 4 -i $(BUILD)/toggle.cpio.gz -t 3600 -a "pti=on debug_nmi_iret $(TOGGLES)" \
	  -l $(BUILD)/toggle.log -p '^1\.\.[0-9]+$$'
	@! grep -E 'not ok|[Pp]anic' $(BUILD)/toggle.log

.PHONY: toggle-storm
