# SPDX-License-Identifier: GPL-2.0-only
#
#   make            the program, build/kvm        make check    every test
#   make demo       boot a stock kernel           make bench    figures against a floor and peers
#   make format / lint / fuzz / install / uninstall / clean
#
# CC, CFLAGS, LDFLAGS as usual. The program is one static binary: it starts with a quarter fewer
# instructions and half a MiB less memory than a dynamic one. STATIC=0 links libc dynamically, to
# build/kvm-dynamic. SAN=1 builds with ASan and UBSan, TSAN=1 with TSan, each in its own build
# folder. V=1 shows the commands. BINNAME names the installed program (QEMU packages may own `kvm`).

PREFIX	?= /usr/local
STATIC	?= 1
DESTDIR	?=
BINNAME	?= kvm
ifeq ($(origin CC),default)
CC	:= gcc
endif
# The sources' folder has the program's name, so the program lies beside the objects: build/kvm.
O	?= build/obj

WARN	:= -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wpointer-arith \
	   -Wundef -Wno-missing-field-initializers -Werror
CFLAGS	?= $(if $(SAN)$(TSAN),-O1,-O2) -g
HARDEN	:= -fstack-protector-strong -fno-strict-aliasing -fno-plt -fPIE -ffunction-sections
ALL_CPPFLAGS = -Iinclude -I. -D_GNU_SOURCE $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 $(WARN) $(HARDEN) -pthread $(CFLAGS)
LDLIBS	= -lfdt
ALL_LDFLAGS = $(LINK) -pthread -Wl,-z,relro,-z,now$(RELR) $(LDFLAGS)
LINK	= $(if $(filter 1,$(STATIC)),-static-pie,-pie)
# A static PIE relocates its own tables of pointers at each start; packed, their list is 64 KiB
# shorter. glibc supports this since 2.36.
RELR	:= $(shell $(CC) -E -dM -include features.h -x c /dev/null 2>/dev/null | \
	     awk '$$2 == "__GLIBC_MINOR__" && $$3 >= 36 { print ",-z,pack-relative-relocs" }')

ifdef SAN
STATIC	:= 0
O	= build/obj-san
HARDEN	+= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=address,undefined
endif
ifdef TSAN
STATIC	:= 0
O	= build/obj-tsan
HARDEN	+= -fsanitize=thread
ALL_LDFLAGS += -fsanitize=thread
endif

SRC	:= $(sort $(wildcard $(foreach top,kvm x86 hw virtio,$(top)/*.c $(top)/*/*.c)))
# The BIOS for 16-bit entries is assembled into the program, as data.
BIOS	:= guest/bios/bios.S
OBJ	:= $(SRC:%.c=$(O)/%.o) $(BIOS:%.S=$(O)/%.o) build/guest-init/blob.o
LIB	:= $(O)/libkvm.a
BIN	= $(if $(filter build/obj,$(O)),build/kvm$(if $(filter 0,$(STATIC)),-dynamic),$(O)/bin/kvm)
Q	= $(if $(V),,@)

all: $(BIN)
.PHONY: all
.SECONDARY:

# The functions that a boot runs lie together in the program. Builds with sanitizers, which add code
# of their own, do not need this.
START_ORDER = $(if $(SAN)$(TSAN),,x86/start.lds)
$(BIN): $(O)/main.o $(LIB) $(START_ORDER)
	@mkdir -p $(@D)
	@echo '  LD      $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(START_ORDER:%=-Wl,-T,%) -o $@ $(filter-out %.lds,$^) $(LDLIBS)

$(LIB): $(OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC      $@'
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%.o: %.S
	@mkdir -p $(@D)
	@echo '  AS      $@'
	$(Q)$(CC) $(ALL_CPPFLAGS) -MMD -MP -c -o $@ $<

UNIT	:= $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
$(O)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	@echo '  CC      $@'
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -Itests $(ALL_LDFLAGS:-static-pie=-pie) \
		-o $@ $< $(LIB) $(LDLIBS) -lcmocka

# The core and little else, to show that the core is one; not from libkvm.a, which has everything.
TINY_SRC := $(filter $(foreach f,kvm kvm/base kvm/chardev x86/boot x86/cpu x86/tables,\
	      $(wildcard $(f)/*.c)),$(SRC)) hw/serial.c
build/tiny: tests/core/tiny.c $(TINY_SRC:%.c=$(O)/%.o) $(BIOS:%.S=$(O)/%.o)
	@echo '  LD      $@'
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Wno-unused-parameter $(ALL_LDFLAGS) \
		-o $@ $^ $(LDLIBS)
tiny: build/tiny
.PHONY: tiny

unit-programs: $(UNIT)
.PHONY: unit-programs

clean:
	rm -rf build
.PHONY: clean


# ---- checks -------------------------------------------------------------------------------------

check:
	@bash tests/check.sh
.PHONY: check

format:
	@tests/lint/format.py --fix
check-format:
	@tests/lint/format.py
# normalCheckLevelMaxBranches: newer versions warn for each long file that they do not follow every
# branch.
cppcheck:
	cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches -Iinclude -I. -D_GNU_SOURCE -D__x86_64__ \
		main.c kvm x86 hw virtio
# How far clang's analyzer follows a function's paths; `make check` sets a lower limit, which takes
# a third of the time.
TIDY_NODES ?= 225000
TIDY	= $(patsubst %,tidy/%,main.c $(SRC))
clang-tidy: $(TIDY)
$(TIDY): tidy/%:
	@clang-tidy --quiet $* -- -std=gnu11 -Iinclude -I. -D_GNU_SOURCE \
		-Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) 2>/dev/null
lint: check-format cppcheck clang-tidy all payload
	tests/lint/layers.sh
	tests/lint/house.py
	tests/lint/text.py columns
	tests/lint/text.py phrases
	tests/lint/globals.sh
	python3 tests/lint/length.py
	tests/lint/docs.sh
	tests/lint/breaks.sh
.PHONY: format check-format cppcheck clang-tidy lint $(TIDY)

# ---- fuzzing: libFuzzer with ASan and UBSan; seeds in tests/fuzz/seeds/NAME ---------------------

FUZZERS	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
# COVERAGE=1: builds that count lines, in folders of their own (tests/fuzz/coverage.sh)
FUZZ_KIND = fuzz$(if $(COVERAGE),-coverage)
FUZZ_COVERAGE = $(if $(COVERAGE),-fprofile-instr-generate -fcoverage-mapping)
FUZZ_FLAGS = -std=gnu11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	     -fno-sanitize-recover=all $(FUZZ_COVERAGE) $(ALL_CPPFLAGS)
FUZZ_OBJ = $(SRC:%.c=build/obj-$(FUZZ_KIND)/%.o) $(BIOS:%.S=build/obj-$(FUZZ_KIND)/%.o) \
	   build/guest-init/blob.o
build/obj-$(FUZZ_KIND)/%.o: %.S
	@mkdir -p $(@D)
	clang $(ALL_CPPFLAGS) -MMD -MP -c -o $@ $<
build/obj-$(FUZZ_KIND)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC      $@'
	$(Q)clang $(FUZZ_FLAGS) -pthread -MMD -MP -c -o $@ $<
build/obj-$(FUZZ_KIND)/libkvm.a: $(FUZZ_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^
build/$(FUZZ_KIND)/%: tests/fuzz/%.c build/obj-$(FUZZ_KIND)/libkvm.a $(wildcard tests/fuzz/*.h)
	@mkdir -p $(@D)
	@echo '  LD      $@'
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -pthread -Itests -o $@ $< \
		build/obj-$(FUZZ_KIND)/libkvm.a $(LDLIBS)
fuzz-programs: $(FUZZERS:%=build/$(FUZZ_KIND)/%)
# one target: FUZZ=fuzz_serial FUZZ_ARGS="-runs=1000"; new inputs stay in build/
fuzz-one: build/fuzz/$(FUZZ)
	@mkdir -p build/fuzz/corpus/$(FUZZ) tests/fuzz/seeds/$(FUZZ:fuzz_%=%)
	@cd build/fuzz && ./$(FUZZ) -rss_limit_mb=4096 -timeout=20 $(FUZZ_ARGS) corpus/$(FUZZ) \
		../../tests/fuzz/seeds/$(FUZZ:fuzz_%=%) 2>&1
fuzz: fuzz-programs
	@for f in $(FUZZERS); do \
		$(MAKE) -s fuzz-one FUZZ=$$f \
			FUZZ_ARGS="-max_total_time=$(FUZZ_SECONDS) -print_final_stats=1" || \
			exit 1; \
	done
# line coverage by the seeds and by build/fuzz/corpus
fuzz-coverage:
	@bash tests/fuzz/coverage.sh
.PHONY: fuzz-programs fuzz-one fuzz fuzz-coverage

# ---- the rest -----------------------------------------------------------------------------------

demo:
	@bash tests/demo.sh
bench: all
	@bash tests/bench/run.sh
.PHONY: demo bench

install: all
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/$(BINNAME)
	install -D -m 644 docs/kvm.1 $(DESTDIR)$(PREFIX)/share/man/man1/$(BINNAME).1
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/$(BINNAME) $(DESTDIR)$(PREFIX)/share/man/man1/$(BINNAME).1
.PHONY: install uninstall

-include $(wildcard guest/Makefile.inc)
-include $(shell find build -name '*.d' 2>/dev/null)
