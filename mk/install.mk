# Installing: the library for hosts, the command for everybody. Also archives and the Debian package.
PREFIX     ?= /usr/local
DESTDIR    ?=
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
DATADIR    ?= $(PREFIX)/share
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(DATADIR)/man
DOCDIR     ?= $(DATADIR)/doc/kaiser
version_of  = $(shell sed -n 's/^.define KAISER_VERSION_$(1) //p' kaiser/include/kaiser/version.h)
VERSION    := $(call version_of,MAJOR).$(call version_of,MINOR).$(call version_of,PATCH)

$(BUILD)/kaiser.pc: kaiser/kaiser.pc.in kaiser/include/kaiser/version.h mk/install.mk FORCE
	@mkdir -p $(@D)
	@sed -e 's|@prefix@|$(PREFIX)|; s|@includedir@|$(INCLUDEDIR)|; s|@libdir@|$(LIBDIR)|' \
	  -e 's|@datadir@|$(DATADIR)|; s|@version@|$(VERSION)|' $< >$@.$$$$ && mv $@.$$$$ $@

# What kaiser bench and kaiser storm need beside themselves.
TOOL_FILES := $(addprefix $(BUILD)/,bench.cpio.gz kaiser-bench.so kaiser-storm.so user/paths)

# What goes where: the one list that install and uninstall share.
define installed
$(foreach h,$(wildcard kaiser/include/kaiser/*.h),644|$(h)|$(INCLUDEDIR)/kaiser/$(notdir $(h)))
644|$(BUILD)/libkaiser.a|$(LIBDIR)/libkaiser.a
644|$(BUILD)/kaiser.pc|$(LIBDIR)/pkgconfig/kaiser.pc
644|kaiser/kaiser.ld|$(DATADIR)/kaiser/kaiser.ld
755|$(BUILD)/kaiser|$(BINDIR)/kaiser
$(foreach f,$(TOOL_FILES),644|$(f)|$(LIBDIR)/kaiser/$(notdir $(f)))
644|scripts/kaiser-gdb.py|$(DATADIR)/kaiser/kaiser-gdb.py
644|tools/bench/costs.json|$(DATADIR)/kaiser/costs.json
$(foreach s,$(wildcard tools/storm/*.json),644|$(s)|$(DATADIR)/kaiser/storm/$(notdir $(s)))
$(foreach m,$(wildcard docs/man/*.1),644|$(m)|$(MANDIR)/man1/$(notdir $(m)))
$(foreach m,$(wildcard $(BUILD)/man/*.3),644|$(m)|$(MANDIR)/man3/$(notdir $(m)))
$(foreach d,README.md DESIGN.md CONTRIBUTING.md CHANGELOG.md LICENSE $(wildcard docs/*.md docs/*.svg),644|$(d)|$(DOCDIR)/$(d))
endef

install: ## Install library, headers, pkg-config file, linker fragment, command, man pages (PREFIX DESTDIR)
	@scripts/deps.sh tools bench
	@$(MAKE) --no-print-directory install-product

# The same where somebody else sees to what it needs, as Debian's builders do.
install-product: product
	@$(MAKE) --no-print-directory install-files

product: $(BUILD)/libkaiser.a $(BUILD)/kaiser $(BUILD)/kaiser.pc $(TOOL_FILES) man

install-files:
	@for f in $(patsubst %,'%',$(installed)); do \
	  mode=$${f%%|*}; f=$${f#*|}; install -D -m "$$mode" "$${f%%|*}" "$(DESTDIR)$${f#*|}" || exit 1; done
	@echo "installed kaiser $(VERSION) below $(DESTDIR)$(PREFIX)"

uninstall: man ## Remove what install put there (the same PREFIX and DESTDIR)
	@for f in $(patsubst %,'%',$(installed)); do rm -f "$(DESTDIR)$${f##*|}"; done
	@for d in $(INCLUDEDIR)/kaiser $(LIBDIR)/kaiser $(DATADIR)/kaiser/storm $(DATADIR)/kaiser $(DOCDIR)/docs $(DOCDIR); do \
	  rmdir "$(DESTDIR)$$d" 2>/dev/null; done; true

dist: ## Make build/kaiser-VERSION.tar.gz from what git tracks
	@mkdir -p $(BUILD)
	git archive --format=tar.gz --prefix=kaiser-$(VERSION)/ -o $(BUILD)/kaiser-$(VERSION).tar.gz HEAD

deb: ## Make Debian packages in build/deb from what git tracks, and let lintian judge them
	@scripts/deps.sh build tools bench deb
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb/kaiser-$(VERSION)
	git archive HEAD | tar -x -C $(BUILD)/deb/kaiser-$(VERSION)
	printf 'kaiser (%s) unstable; urgency=medium\n\n  * Version %s: see CHANGELOG.md.\n\n -- %s  %s\n' $(VERSION) \
	  $(VERSION) "$$(sed -n 's/^Maintainer: //p' debian/control)" "$$(git log -1 --format=%cD)" \
	  >$(BUILD)/deb/kaiser-$(VERSION)/debian/changelog
	cd $(BUILD)/deb/kaiser-$(VERSION) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc -b >../build.log 2>&1 || \
	  { tail -n 30 ../build.log; exit 1; }
	lintian --fail-on error,warning $(BUILD)/deb/*.changes
	@ls $(BUILD)/deb/*.deb

deb-test: deb kernel ## Install them in a fresh Debian 12 below build/chroot and run the command there (as root)
	@scripts/deps.sh deb-test
	+scripts/deb_test.sh $(BUILD)/deb $(BUILD)/chroot $(BUILD)/kaiser.elf

FORCE:
.PHONY: install product install-product install-files uninstall dist deb deb-test FORCE

# The API's manual pages are made from the headers' comments.
API_HEADERS := $(addprefix kaiser/include/kaiser/,kaiser.h verify.h)
man: $(BUILD)/man/kaiser.3
$(BUILD)/man/kaiser.3: $(API_HEADERS) scripts/apiman.pl kaiser/include/kaiser/version.h
	@rm -rf $(@D)
	@mkdir -p $(@D)
	scripts/apiman.pl $(@D) $(VERSION) $(API_HEADERS)

test-build: $(BUILD)/libkaiser.a man

.PHONY: man
