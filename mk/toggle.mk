# Isolation switched on and off ten thousand times under load and NMIs, on four CPUs.
TOGGLES ?= 10000

toggle-storm: ## Ten thousand switches of isolation at run time under NMIs, audited (TOGGLES)
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory kernel $(BUILD)/kaiser $(BUILD)/user/toggle.musl
	BUILD=$(BUILD) scripts/toggle_storm.sh $(TOGGLES)

.PHONY: toggle-storm
