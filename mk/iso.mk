# The CD image: GRUB loads the kernel by multiboot2. `make bochs` boots it in Bochs.
iso: ## Make build/kaiser.iso (GRUB, multiboot2, serial console)
	@scripts/deps.sh iso
	@$(MAKE) --no-print-directory $(kernel_dir)/kaiser.iso

bochs: ## Boot the demo from the CD image in Bochs
	@scripts/deps.sh run iso
	@$(MAKE) --no-print-directory $(kernel_dir)/kaiser.iso
	scripts/bochs.sh -s $(CPUS) -t 600 -p '^DEMO: PASS$$' $(kernel_dir)/kaiser.iso

$(kernel_dir)/kaiser.iso: $(kernel_dir)/kaiser.elf $(DEMO) scripts/iso.sh
	scripts/iso.sh -o $@ -k $(kernel_dir)/kaiser.elf -i $(DEMO) -a "pti=on $(APPEND)"

.PHONY: iso bochs
