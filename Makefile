# SPDX-License-Identifier: MIT
# `make help` says what there is.

VERSION := 0.1.0
SONAME := libpagepool.so.0

CC ?= cc
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
INSTALL ?= install
CLANG ?= clang
CFLAGS ?= -g

# One build folder a flavour, so that flavours don't rebuild each other.
comma := ,
FLAVOUR := $(if $(filter-out cc gcc,$(CC)),-$(notdir $(CC)))
FLAVOUR := $(FLAVOUR)$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)),$(if $(DEBUG),-debug))
B := build$(FLAVOUR)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2);)

# CPPFLAGS, CFLAGS and LDFLAGS are the caller's and come last, so that they win.
WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wwrite-strings -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla
OPTIMIZE := $(if $(DEBUG)$(SANITIZE),-O1 -fno-omit-frame-pointer,-O2)
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
all_cppflags = -D_GNU_SOURCE -DPAGEPOOL_VERSION='"$(VERSION)"' \
	-I. -Iinclude -Idaemon -Iclient -Itests -I$(B)/gen $(CPPFLAGS)
all_cflags = -std=gnu11 $(OPTIMIZE) $(WARNINGS) -fPIC -fvisibility=hidden -pthread \
	$(SANITIZERS) $(all_cppflags) $(CFLAGS)
all_ldflags = -pthread $(SANITIZERS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# Asked when a recipe runs, not when this file is read: `make deps` may not have run yet.
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))

LIBS_PROTO = $(call pkg_libs,libprotobuf-c)
LIBS_SERVICE = $(call pkg_libs,libevent_core libsystemd numa inih)
LIBS_CLI = $(call pkg_libs,smartcols jansson)
LIBS_TEST = $(call pkg_libs,cmocka jansson)

# Debian's names. README.md says what each is for.
PACKAGES_build := gcc libc6-dev make pkg-config protobuf-c-compiler libprotobuf-c-dev libevent-dev \
	libsystemd-dev libnuma-dev libinih-dev libsmartcols-dev libjansson-dev scdoc
PACKAGES_check := $(PACKAGES_build) libcmocka-dev g++
PACKAGES_fuzz := $(PACKAGES_build) clang libclang-rt-dev g++
PACKAGES_lint := clang-format clang-tidy shellcheck
PACKAGES_ci := $(sort $(PACKAGES_check) $(PACKAGES_fuzz)) valgrind

sorted = $(sort $(wildcard $(1)))
objects = $(patsubst %.c,$(B)/%.o,$(call sorted,$(1)))
programs = $(patsubst %.c,$(B)/%,$(call sorted,$(1)))

CORE_OBJS := $(call objects,daemon/core/*.c)
PROTO_OBJS := $(call objects,proto/*.c) $(B)/gen/pagepool.pb-c.o
DAEMON_OBJS := $(filter-out $(B)/daemon/main.o,$(call objects,daemon/service/*.c daemon/*.c))
LIB_OBJS := $(call objects,client/lib/*.c)
CLI_MAIN := $(call objects,client/cli/main.c)
CLI_OBJS := $(filter-out $(CLI_MAIN),$(call objects,client/cli/*.c))
SUPPORT_OBJS := $(call objects,tests/support/*.c)
BENCH_OBJS := $(call objects,bench/*.c)

FAULT_OBJS := $(filter-out $(B)/tests/fault/test_%,$(call objects,tests/fault/*.c))
# The core as the thread sanitizer wants it: each store is announced.
ANNOUNCED_OBJS := $(patsubst %.c,$(B)/announced/%.o,$(call sorted,daemon/core/*.c))

UNIT_TESTS := $(call programs,tests/unit/test_*.c)
INTEGRATION_TESTS := $(call programs,tests/integration/test_*.c)
FAULT_TESTS := $(call programs,tests/fault/test_*.c)
FUZZERS := $(call programs,tests/fuzz/fuzz_*.c)
EXAMPLES := $(call programs,examples/*.c)
CHECK_SCRIPTS := tests/check-includes tests/check-headers \
	$(call sorted,tests/integration/test_*.sh)

PROGRAMS := $(B)/pagepoold $(B)/pagepoolctl
LIBRARIES := $(B)/$(SONAME) $(B)/libpagepool.so $(B)/libpagepool.a
MANUALS := $(patsubst docs/man/%.scd,$(B)/man/%,$(call sorted,docs/man/*.scd))

.PHONY: all
all: $(PROGRAMS) $(LIBRARIES) $(EXAMPLES) $(MANUALS)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: FORCE

# Stamps: files that change only when what they say does. Objects depend on the flags they are
# compiled with, archives on the list of sources (a source that is gone must leave them).
FLAGS = $(strip $(CC) $(all_cflags) : $(all_ldflags))
SOURCES := $(CORE_OBJS) : $(PROTO_OBJS) : $(DAEMON_OBJS) : $(LIB_OBJS) : $(CLI_OBJS) : \
	$(SUPPORT_OBJS) : $(FAULT_OBJS) : $(BENCH_OBJS)

ifneq ($(file <$(B)/flags),$(FLAGS))
$(B)/flags: FORCE
endif
$(B)/flags:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@

ifneq ($(file <$(B)/sources),$(SOURCES))
$(B)/sources: FORCE
endif
$(B)/sources:
	@mkdir -p $(@D)
	@printf '%s\n' '$(SOURCES)' >$@

# Compiling. Dependency files track every header; only the generated one must be there beforehand.
GENERATED := $(B)/gen/pagepool.pb-c.c $(B)/gen/pagepool.pb-c.h

$(GENERATED) &: proto/pagepool.proto
	$(call say,PROTOC,$<)mkdir -p $(B)/gen
	$(Q)command -v protoc-c >/dev/null || { echo 'Packages are missing: make deps' >&2; exit 1; }
	$(Q)protoc-c --proto_path=proto --c_out=$(B)/gen $<

compile_with = $(call say,CC,$<)mkdir -p $(@D) && $(CC) $(1) -MMD -MP -c -o $@ $<
compile = $(call compile_with,$(all_cflags))

$(B)/gen/%.o: $(B)/gen/%.c $(B)/flags
	$(compile)

$(B)/%.o: %.c $(B)/flags | $(GENERATED)
	$(compile)

# A memset() that is made of stores would not be announced.
$(B)/announced/%.o: %.c $(B)/flags
	$(call compile_with,$(filter-out $(SANITIZERS),$(all_cflags)) -fsanitize=thread \
		-fno-builtin-memset)

# Archives. libclient.a is the client library with its private names: for pagepoolctl and tests.
ARCHIVES := $(B)/libcli.a $(B)/libclient.a $(B)/libservice.a $(B)/libcore.a $(B)/libproto.a
$(B)/libcore.a: $(CORE_OBJS)
$(B)/libproto.a: $(PROTO_OBJS)
$(B)/libservice.a: $(DAEMON_OBJS)
$(B)/libclient.a: $(LIB_OBJS)
$(B)/libcli.a: $(CLI_OBJS)
$(ARCHIVES): $(B)/sources
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# Programs.
link = $(call say,LD,$@)mkdir -p $(@D) && $(CC) $(all_ldflags) -o $@ $(filter %.o %.a,$^) $(1)

$(B)/pagepoold: $(B)/daemon/main.o $(B)/libservice.a $(B)/libcore.a $(B)/libproto.a
	$(call link,$(LIBS_SERVICE) $(LIBS_PROTO))

$(B)/pagepoolctl: $(CLI_MAIN) $(B)/libcli.a $(B)/libclient.a $(B)/libproto.a
	$(call link,$(LIBS_CLI) $(LIBS_PROTO))

$(B)/examples/%: $(B)/examples/%.o $(B)/libpagepool.so
	$(call link,-L$(B) -lpagepool -Wl$(comma)-rpath$(comma)'$$ORIGIN/..')

$(B)/tests/%: $(B)/tests/%.o $(SUPPORT_OBJS) $(ARCHIVES)
	$(call link,$(LIBS_TEST) $(LIBS_CLI) $(LIBS_SERVICE) $(LIBS_PROTO))

# What the compilers make of large stores is announced by tests/fault/stores.c.
wrapped = $(foreach function,memcpy memmove memset,-Wl$(comma)--wrap=$(function))

$(B)/tests/fault/%: $(B)/tests/fault/%.o $(FAULT_OBJS) $(B)/libcore.a
	$(call link,$(wrapped) $(LIBS_TEST))

$(B)/tests/fault/test_every_store: $(B)/tests/fault/test_every_store.o $(FAULT_OBJS) \
		$(ANNOUNCED_OBJS)
	$(call link,$(wrapped) $(LIBS_TEST))

# The fuzzer's main() comes with clang; see `fuzz`.
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(ARCHIVES)
	$(call link,-fsanitize=fuzzer $(LIBS_SERVICE) $(LIBS_PROTO))

$(B)/bench/bench: $(BENCH_OBJS) $(ARCHIVES)
	$(call link,$(LIBS_SERVICE) $(LIBS_PROTO) -lm)

# The client library. A sanitizer's runtime is found at run time only: no -z defs then.
SYMBOL_MAP := client/lib/libpagepool.map

$(B)/$(SONAME): $(LIB_OBJS) $(PROTO_OBJS) $(SYMBOL_MAP) $(B)/sources
	$(call link,-shared -Wl$(comma)-soname$(comma)$(SONAME) \
		-Wl$(comma)--version-script$(comma)$(SYMBOL_MAP) \
		$(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) $(LIBS_PROTO))

$(B)/libpagepool.so: $(B)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# One object whose only global names are those of the symbol map, as in the shared library.
$(B)/libpagepool.a: $(LIB_OBJS) $(PROTO_OBJS) $(SYMBOL_MAP) $(B)/sources
	$(call say,AR,$@)$(LD) -r -o $(B)/pagepool.o $(filter %.o,$^)
	$(Q)sed -n 's/^[[:space:]]*\(pp_[a-z_0-9]*\);.*/\1/p' $(SYMBOL_MAP) >$(B)/symbols
	$(Q)$(OBJCOPY) --keep-global-symbols=$(B)/symbols $(B)/pagepool.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/pagepool.o

$(B)/man/%: docs/man/%.scd
	$(call say,SCDOC,$<)mkdir -p $(@D)
	$(Q)scdoc <$< >$@

# What needs more than a compiler first installs what is missing, then builds: the sub-make reads
# this file again and so sees what was installed.
AGAIN = +$(Q)$(MAKE) --no-print-directory $(if $(V),,--silent)

.PHONY: deps deps-build deps-check deps-fuzz deps-lint deps-ci
deps: deps-check
deps-build deps-check deps-fuzz deps-lint deps-ci: deps-%:
	@.ci/install-packages $(PACKAGES_$*)

.PHONY: run demo
run: deps-build
	$(AGAIN) all
	@examples/run $(B)

demo: deps-build
	$(AGAIN) all
	@examples/demo $(B)

run_tests = CC='$(CC)' MAKE='$(MAKE)' tests/run $(B)

.PHONY: tests check check-units check-fault
tests: $(PROGRAMS) $(UNIT_TESTS) $(FAULT_TESTS) $(INTEGRATION_TESTS)

# TESTS and EXCEPT name tests as in TESTS='test_frame% check-includes'.
TESTS ?= %
chosen = $(foreach test,$(1),$(if $(filter $(TESTS),$(filter-out $(EXCEPT),$(notdir $(test)))),$(test)))

check: deps-check
	$(AGAIN) all tests
	@$(run_tests) $(call chosen,$(UNIT_TESTS) $(FAULT_TESTS) $(CHECK_SCRIPTS) $(INTEGRATION_TESTS))

check-units: deps-check
	$(AGAIN) tests
	@$(run_tests) $(call chosen,$(UNIT_TESTS))

# Of what `check` takes a sample of. PAGEPOOL_TEST_SEED in the environment repeats a run.
FAULT_STOPS ?= 1000000
FAULT_OPERATIONS ?= 200000

check-fault: deps-check
	$(AGAIN) $(FAULT_TESTS)
	@FAULT_STOPS=$(FAULT_STOPS) FAULT_OPERATIONS=$(FAULT_OPERATIONS) TEST_TIMEOUT=3600 \
		$(run_tests) $(FAULT_TESTS)

.PHONY: bench
bench: deps-build
	$(if $(SANITIZE)$(DEBUG),$(error The bench measures: no SANITIZE, no DEBUG))
	$(AGAIN) all $(B)/bench/bench
	@$(B)/bench/bench --csv $(B)/bench.csv $(BENCH)

# Each fuzzer starts from its seeds under tests/fuzz/corpus and keeps what it finds under build-fuzz.
FUZZ_SECONDS ?= 60
.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)

fuzz: deps-fuzz
	$(AGAIN) B=build-fuzz CC=$(CLANG) SANITIZE=fuzzer-no-link,address,undefined fuzzers
	@tests/fuzz/run build-fuzz $(FUZZ_SECONDS) $(notdir $(FUZZERS))

# Style and static checks.
C_FILES = $(sort $(shell find bench client daemon examples include proto tests -name '*.[ch]'))
SCRIPTS = $(sort $(shell grep -lrE '^\#!.*\<(ba)?sh$$' .ci examples tests))
.PHONY: lint format
lint: deps-lint deps-build
	clang-format --dry-run -Werror $(C_FILES)
	tests/check-includes
	shellcheck --severity=warning $(SCRIPTS)
	$(AGAIN) $(GENERATED)
	clang-tidy --quiet $(filter %.c,$(C_FILES)) -- -std=gnu11 $(all_cppflags)

format:
	clang-format -i $(C_FILES)

# Installing. Debian keeps libraries in a folder named after the machine, under /usr alone.
PREFIX ?= /usr/local
MULTIARCH = $(if $(filter /usr,$(PREFIX)),$(shell $(CC) -print-multiarch))
LIBDIR ?= $(PREFIX)/lib$(addprefix /,$(MULTIARCH))
DOCDIR ?= $(PREFIX)/share/doc/pagepool

# $(call install_files,MODE,FOLDER,FILES): nothing when there are no such files.
install_files = $(if $(strip $(3)),$(INSTALL) -d $(DESTDIR)$(strip $(2)) && \
	$(INSTALL) -m $(1) -t $(DESTDIR)$(strip $(2)) $(3))
# The same through sed, for files that name where things are.
configure = sed -e 's,@PREFIX@,$(PREFIX),g' -e 's,@LIBDIR@,$(LIBDIR),g' \
	-e 's,@VERSION@,$(VERSION),g' -e 's,/usr/sbin/,$(PREFIX)/sbin/,g'

# A page of the library tells of several functions; each other name leads to it.
MAN3 = $(DESTDIR)$(PREFIX)/share/man/man3
install_other_names = for source in docs/man/*.3.scd; do page=$$(basename $$source .scd); \
	for name in $$(sed -n '/^\# NAME/,/ - /s/ - .*//p' $$source | tr -d ,); do \
		[ $$name.3 = $$page ] || echo ".so man3/$$page" >$(MAN3)/$$name.3; \
	done; done

SYSTEMD_UNITS := $(call sorted,systemd/*.service systemd/*.socket)
MANUAL_SECTIONS := $(sort $(patsubst .%,%,$(suffix $(MANUALS))))

.PHONY: install
install: all
	$(Q)$(call install_files,755,$(PREFIX)/sbin,$(B)/pagepoold)
	$(Q)$(call install_files,755,$(PREFIX)/bin,$(B)/pagepoolctl)
	$(Q)$(call install_files,644,$(PREFIX)/include,include/pagepool.h)
	$(Q)$(call install_files,644,$(LIBDIR),$(B)/libpagepool.a)
	$(Q)$(INSTALL) -m 644 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/libpagepool.so.$(VERSION)
	$(Q)ln -sf libpagepool.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libpagepool.so
	$(Q)$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)$(configure) client/lib/pagepool.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/pagepool.pc
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)$(foreach unit,$(SYSTEMD_UNITS),$(configure) $(unit) \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $(unit)) &&) :
	$(Q)$(call install_files,644,$(PREFIX)/lib/sysusers.d,$(call sorted,systemd/sysusers.d/*.conf))
	$(Q)$(call install_files,644,$(PREFIX)/lib/tmpfiles.d,$(call sorted,systemd/tmpfiles.d/*.conf))
	$(Q)$(foreach section,$(MANUAL_SECTIONS),$(call install_files,644,\
		$(PREFIX)/share/man/man$(section),$(filter %.$(section),$(MANUALS))) &&) :
	$(Q)$(install_other_names)
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(Q)$(INSTALL) -m 644 client/cli/completion/pagepoolctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/pagepoolctl
	$(Q)$(call install_files,644,$(DOCDIR),$(call sorted,systemd/*.conf README.md NEWS.md))
	$(Q)$(call install_files,644,$(DOCDIR)/docs,$(call sorted,docs/*.md proto/pagepool.proto))
	$(Q)$(call install_files,644,$(DOCDIR)/examples,$(call sorted,examples/*.[ch]))
	$(if $(DESTDIR),,-$(Q)ldconfig)

.PHONY: clean
clean:
	rm -rf build build-*

.PHONY: help
help:
	@sed -n 's/^#? \?//p' $(firstword $(MAKEFILE_LIST))

COMPILED := $(CORE_OBJS) $(PROTO_OBJS) $(DAEMON_OBJS) $(LIB_OBJS) $(CLI_MAIN) $(CLI_OBJS) \
	$(SUPPORT_OBJS) $(BENCH_OBJS) $(B)/daemon/main.o \
	$(FAULT_OBJS) $(ANNOUNCED_OBJS) \
	$(addsuffix .o,$(UNIT_TESTS) $(FAULT_TESTS) $(INTEGRATION_TESTS) $(FUZZERS) $(EXAMPLES))
-include $(COMPILED:.o=.d)

#? make              everything: the daemon, pagepoolctl, the library, examples, manuals
#? make deps         install the Debian packages that building and checking need
#? make run          start a daemon here, show it at work, serve until Ctrl-C
#? make demo         two processes pass frames through shared pages; prints the rate
#? make check        every test; ends with how many passed, failed and were skipped;
#?                   TESTS='test_frame% check-%' or EXCEPT=test_install.sh for some of them
#? make check-fault  kill the core at a million instructions and after each store of long
#?                   histories, FAULT_STOPS and FAULT_OPERATIONS of them; `check` takes a sample
#? make bench        measure, with spread and ratios; BENCH=core|wire for a part
#? make install      to PREFIX (/usr/local), below DESTDIR if that is set
#? make fuzz         fuzz what reads foreign bytes, FUZZ_SECONDS (60) each
#? make lint         formatting and static checks; `make format` mends the formatting
#? make clean        remove all build folders
#?
#? DEBUG=1                       -O1, frame pointers
#? SANITIZE=address,undefined    or thread; with a build folder of its own
#? CC=clang                      another compiler, likewise
#? V=1                           show the commands
#? B=FOLDER                      build there
