# KAISER. `make help` lists the targets. Fragments, one job each, are in mk/.
BUILD   ?= build
CC      ?= gcc
HOSTCC  ?= gcc
DEBUG   ?= 0

include mk/flags.mk
include mk/kernel.mk
-include $(filter-out mk/flags.mk mk/kernel.mk,$(wildcard mk/*.mk))

.DEFAULT_GOAL := all
all: kernel ## Build everything

clean: ## Remove what was built
	rm -rf $(BUILD)

help: ## This list
	@awk -F ':.*## ' '/^[a-zA-Z0-9_-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort

.PHONY: all clean help
