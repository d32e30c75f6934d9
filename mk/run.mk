# Running the kernel: run, shell, debug. KERNEL=/path/vmlinuz runs a peer on the same initramfs.
CPUS   ?= 2
MEM    ?= 256M
CPU    ?= max,vendor=GenuineIntel
APPEND ?=
KERNEL ?= $(kernel_dir)/kaiser.elf
PEER   := $(if $(filter $(kernel_dir)/kaiser.elf,$(KERNEL)),,peer)
DEMO   := $(BUILD)/demo.cpio.gz

run: ## Boot 2 CPUs under QEMU, do real work on busybox, power off (CPUS MEM CPU APPEND)
	@scripts/deps.sh run
	@$(MAKE) --no-print-directory $(KERNEL) $(DEMO)
	scripts/qemu.sh -k $(KERNEL) -i $(DEMO) -s $(CPUS) -m $(MEM) -c $(CPU) -t 180 \
	  -a "pti=on $(PEER) $(APPEND)" -p '^DEMO: PASS$$'

shell: ## The same system with a shell on the serial line (leave with `exit` or Ctrl-A x)
	@scripts/deps.sh run
	@$(MAKE) --no-print-directory $(KERNEL) $(BUILD)/shell.cpio.gz
	qemu-system-x86_64 $(QEMU_BASE) -serial mon:stdio -initrd $(BUILD)/shell.cpio.gz \
	  -append "console=ttyS0 pti=on $(APPEND)"

debug: ## Wait for gdb on port 1234: gdb -x build/gdbinit (symbols of the window too)
	@scripts/deps.sh debug
	@$(MAKE) --no-print-directory $(KERNEL) $(kernel_dir)/gdbinit $(DEMO)
	@echo "QEMU waits. In another terminal: gdb -x $(kernel_dir)/gdbinit"
	qemu-system-x86_64 $(QEMU_BASE) -accel tcg -serial mon:stdio -s -S -initrd $(DEMO) \
	  -append "console=ttyS0 nokaslr pti=on $(APPEND)"

QEMU_BASE = -kernel $(KERNEL) -cpu $(CPU) -smp $(CPUS) -m $(MEM) -no-reboot -display none -nic none \
	    -device isa-debug-exit,iobase=0xf4

$(DEMO): $(wildcard user/demo/*) scripts/demo.sh scripts/initramfs.sh LICENSE
	scripts/demo.sh $@

$(BUILD)/shell.cpio.gz: user/demo/shell.sh scripts/initramfs.sh
	scripts/initramfs.sh -o $@ -b -i user/demo/shell.sh

$(kernel_dir)/gdbinit: $(kernel_dir)/kaiser.elf scripts/gdbinit.sh
	scripts/gdbinit.sh $< $(@D)/window.elf >$@

.PHONY: run shell debug
