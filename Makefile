# The commands of this repository; `make` alone lists them.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=

BIN := $(or $(CARGO_TARGET_DIR),target)/$(if $(CARGO_BUILD_TARGET),$(CARGO_BUILD_TARGET)/)release/pidlet

# What the targets need besides Rust: a command or a file (`*` stands for any version), and the Debian package that has it.
BUILD_NEEDS := cc=gcc /usr/include/stdlib.h=libc6-dev
DEMO_NEEDS := unshare=util-linux python3=python3 nginx=nginx redis-server=redis-server redis-cli=redis-tools
TEST_NEEDS := tini=tini dumb-init=dumb-init catatonit=catatonit strace=strace readelf=binutils mandoc=mandoc \
	unshare=util-linux mount=mount python3=python3 nginx=nginx redis-server=redis-server haproxy=haproxy \
	etcd=etcd-server etcdctl=etcd-client '/usr/lib/postgresql/*/bin/postgres=postgresql' '/usr/sbin/php-fpm*=php-fpm'
CROSS_NEEDS := dpkg=dpkg unshare=util-linux setpriv=util-linux mount=mount python3=python3 \
	clang=clang qemu-riscv64-static=qemu-user-static

BENCH_NEEDS := tini=tini /usr/bin/tini-static=tini dumb-init=dumb-init catatonit=catatonit s6-svscan=s6 \
	runsvdir=runit supervisord=supervisor strace=strace /usr/bin/python3=python3 \
	/usr/lib/python3/dist-packages/matplotlib=python3-matplotlib

# The crate libfuzzer-sys builds libFuzzer, which is C++.
FUZZ_NEEDS := g++=g++

KERNEL_NEEDS := qemu-system-x86_64=qemu-system-x86 qemu-system-aarch64=qemu-system-arm cpio=cpio dpkg-deb=dpkg tar=tar

ENGINE_NEEDS := dockerd=docker.io /usr/bin/docker=docker.io podman=podman catatonit=catatonit runc=runc crun=crun \
	tini-static=tini busybox=busybox-static /usr/bin/python3=python3 /usr/lib/python3/dist-packages/yaml=python3-yaml \
	unshare=util-linux setpriv=util-linux mount=mount ip=iproute2

# The size of the binary in bytes: SIZE_BUDGET is what today's features may take, a ratchet on the way down to 64 KiB;
# SIZE_LIMIT may never be exceeded. Each compiler makes a different size, so the budget holds for one compiler and target.
SIZE_BUDGET ?= 82784
SIZE_BUDGET_FOR := 1.95.0 x86_64-unknown-linux-gnu
SIZE_LIMIT := 100000

.PHONY: help demo test bench simulate explore random fuzz build size cross test-ordinary test-kernels test-engines man dictionary fmt lint install uninstall clean rust build-needs
.DEFAULT_GOAL := help

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

# What a user sees: three programs in one container, and how it ends.
demo: rust  ## install what it needs, build, and run Redis, Python and nginx under pidlet as PID 1
	@.ci/packages 'The demo' $(BUILD_NEEDS) $(DEMO_NEEDS)
	$(CARGO) build --release
	@echo
	@python3 docs/demo/run.py '$(BIN)'

# Tests spend most of their time waiting for other processes, so a processor has room for two.
test test-ordinary: export RUST_TEST_THREADS ?= $(shell expr 2 '*' "$$(nproc)")

# The test files that run the program. The others look at the tree, or build it themselves.
TESTS := $(filter-out build tidy,$(patsubst tests/%.rs,%,$(wildcard tests/*.rs))) peers

# Both profiles: debug assertions find faults, but the release binary is what users run. The tests that run it are the
# same unoptimized ones both times, since optimizing them takes longer than they run.
test: rust  ## install what they need and run all tests, with the program of either profile
	@.ci/packages 'The test suite' $(BUILD_NEEDS) $(TEST_NEEDS)
	$(CARGO) test
	$(CARGO) build --release
	$(CARGO) test --release --lib
	PIDLET_BINARY='$(abspath $(BIN))' $(CARGO) test $(addprefix --test ,$(TESTS))

# Only for root: for an ordinary user `make test` is this already.
test-ordinary: rust  ## install what they need and, as root, run the tests as an ordinary user
	@.ci/packages 'The test suite' $(BUILD_NEEDS) $(TEST_NEEDS)
	$(CARGO) build --release
	PIDLET_BINARY='$(abspath $(BIN))' tests/ordinary.sh

# Needs Debian's packages of a kernel and of the programs that run on it; they are fetched once and not installed.
test-kernels: rust  ## run the tests on Debian's kernels for amd64 and arm64, as PID 1 of emulated machines
	@.ci/packages 'The test on other kernels' $(BUILD_NEEDS) $(KERNEL_NEEDS)
	tests/kernels/test.sh amd64 arm64

# VIEW=v1|v2|hyb says which cgroups the box shows; FILTER selects tests by name. A missing engine is a failure.
VIEW ?= auto
FILTER ?=
test-engines: rust  ## install what they need and run the tests in Docker, Podman, runc and crun, as root
	@.ci/packages 'The test of the engines' $(BUILD_NEEDS) $(ENGINE_NEEDS)
	$(CARGO) test --release --test engines --no-run
	CI=true tests/engines/box.sh $(VIEW) $(CARGO) test --release --test engines -- $(FILTER)
	$(if $(FILTER),,CI=true tests/engines/box.sh v2 $(CARGO) test --release --test engines -- crun::)

# `SEED=n SIMULATE=1 make simulate` replays one life. Each million steps run in a process of their own, because a
# supervisor never gives its memory back.
SIMULATE ?= 300
simulate: rust build-needs  ## run the supervisor's simulator on SIMULATE million random steps
	for part in $$(seq $(SIMULATE)); do \
	FIRST=$${part}000000 $(CARGO) test --quiet --release --lib -- --nocapture plans_at_random || exit 1; done

# The plans are those in src/supervise/tests/exploration/models.rs and one for every pair of kinds of services;
# `MODEL=daemon` explores only those whose text contains the word.
EXPLORE ?= 5
MODEL ?=
explore: rust build-needs  ## explore what can happen to tiny plans, up to EXPLORE thousand states of each
	EXPLORE=$(EXPLORE) MODEL='$(MODEL)' $(CARGO) test --quiet --release --lib -- --nocapture every_state

# `SEED=n make random` replays one container, and one comparison of each kind.
RUNS ?= 1000
random: rust build-needs  ## run the program in RUNS containers made at random, and beside its peers
	RUNS=$(RUNS) $(CARGO) test --quiet --release --test random -- --nocapture
	RUNS=$(RUNS) $(CARGO) test --quiet --release --test peers -- --nocapture at_random

# `TARGETS='conf lines'` fuzzes these alone; tests/fuzz/fuzz.sh says where to find the results, and why it needs no nightly.
SECONDS ?= 60
TARGETS ?=
fuzz: rust  ## fuzz the library, each target for SECONDS seconds; SECONDS=0 only replays the kept inputs
	@.ci/packages 'Fuzzing' $(BUILD_NEEDS) $(FUZZ_NEEDS)
	CARGO=$(CARGO) tests/fuzz/fuzz.sh $(SECONDS) $(TARGETS)

# `ROWS=start,orphans` runs these rows alone, and `BENCH=quick` runs all of them for a few rounds to see that they still
# work: both leave docs/BENCHMARKS.md alone. The rows are at the top of tests/bench/peers.rs.
bench: rust  ## measure pidlet beside its peers, and write docs/BENCHMARKS.md
	@.ci/packages 'The benchmark' $(BUILD_NEEDS) $(BENCH_NEEDS)
	ROWS=$(ROWS) BENCH=$(BENCH) $(CARGO) bench --bench peers

build: rust build-needs  ## build target/release/pidlet
	$(CARGO) build --release

# A promise that is not measured is soon broken.
size: build  ## print the size of the binary and its sections; fail over the budget, if there is one for this compiler
	@.ci/packages 'The size check' size=binutils
	@size -A -d '$(BIN)'
	@bytes=$$(stat -c %s '$(BIN)'); \
	set -- $$($(CARGO) -vV | sed -n 's/^release: //p; s/^host: //p'); \
	with="$$1 $(or $(CARGO_BUILD_TARGET),$$2)"; \
	echo "$(BIN): $$bytes bytes, limit $(SIZE_LIMIT); budget $(SIZE_BUDGET) with Rust $(SIZE_BUDGET_FOR)"; \
	test $$bytes -le $(SIZE_LIMIT) || { echo "size: over the limit, which may not be raised" >&2; exit 1; }; \
	test "$$with" = '$(SIZE_BUDGET_FOR)' || { echo "size: no budget for Rust $$with: only the limit counts"; exit 0; }; \
	test $$bytes -le $(SIZE_BUDGET) || { echo "size: over the budget" >&2; exit 1; }

# With rustup, `cargo build --release --target T` suffices; tests/cross/toolchain.sh says what this does instead.
cross: rust build-needs  ## build for every architecture, test those that run here, and print the sizes
	@.ci/packages 'The cross build' $(BUILD_NEEDS) $(CROSS_NEEDS)
	@SIZE_LIMIT=$(SIZE_LIMIT) CARGO=$(CARGO) tests/cross/check.sh

# tests/docs.rs checks the same; this builds nothing. `man -l docs/pidlet.8` shows a page.
man:  ## check the manual pages
	@.ci/packages 'The check of the manual pages' mandoc=mandoc
	mandoc -Tlint -Wwarning docs/pidlet.8 docs/pidlet.conf.5

# Worth running after texts have changed a lot: other phrases pack them best then.
dictionary:  ## rebuild the dictionary that packs the program's texts
	@python3 docs/dictionary.py

fmt: rust  ## format the code
	$(CARGO) fmt

# The tests of the engines need their own run: `--all-targets` leaves them out, as a plain `cargo test` does.
lint: rust build-needs  ## check formatting, and that clippy and rustdoc have no warnings
	$(CARGO) fmt --check
	$(CARGO) lint
	$(CARGO) clippy --test engines -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --document-private-items

# Builds nothing: `sudo make install` should neither need cargo nor leave root's files in target/.
install:  ## install the built binary and the manual pages below $(DESTDIR)$(PREFIX)
	@test -x '$(BIN)' || { echo 'install: nothing is built yet; run "make build" first' >&2; exit 1; }
	install -D -m 755 '$(BIN)' '$(DESTDIR)$(PREFIX)/bin/pidlet'
	install -D -m 644 docs/pidlet.8 '$(DESTDIR)$(PREFIX)/share/man/man8/pidlet.8'
	install -D -m 644 docs/pidlet.conf.5 '$(DESTDIR)$(PREFIX)/share/man/man5/pidlet.conf.5'

uninstall:  ## remove what `make install` put below $(DESTDIR)$(PREFIX)
	rm -f '$(DESTDIR)$(PREFIX)/bin/pidlet' '$(DESTDIR)$(PREFIX)/share/man/man8/pidlet.8' \
	'$(DESTDIR)$(PREFIX)/share/man/man5/pidlet.conf.5'

clean: rust  ## remove what was built
	$(CARGO) clean

# rustup provides Rust everywhere; how it is installed is not ours to decide.
rust:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing, 1.85 or newer: https://rustup.rs says how to install it" >&2; exit 1; }

# Rust links through a C compiler's driver, and the tests link libc; pidlet itself contains neither.
build-needs:
	@.ci/packages 'The build' $(BUILD_NEEDS)
