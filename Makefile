# KAISER. `make help` lists the targets. Fragments, one job each, are in mk/.
BUILD   ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
HOSTCC  ?= gcc
DEBUG   ?= 0

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
endif
# V=1 shows the commands.
Q := $(if $(V),,@)

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
