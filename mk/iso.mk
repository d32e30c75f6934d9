# The CD image: GRUB loads the kernel by multiboot2. `make bochs` boots it in Bochs.
iso: ## Make build/kaiser.iso (GRUB, multiboot2, serial console)
	@scripts/deps.sh iso
	@$(MAKE) --no-print-directory $(BUILD)/kaiser.iso

bochs: ## Boot the demo from the CD image in Bochs
	@scripts/deps.sh run iso
	@$(MAKE) --no-print-directory $(BUILD)/kaiser.iso
	scripts/bochs.sh -s $(CPUS) -t 600 -p '^DEMO: PASS$$' $(BUILD)/kaiser.iso

$(BUILD)/kaiser.iso: $(BUILD)/kaiser.elf $(DEMO) scripts/iso.sh
	scripts/iso.sh -o $@ -k $(BUILD)/kaiser.elf -i $(DEMO) -a "pti=on $(APPEND)"

.PHONY: iso bochs
