# A short front for Meson and ninja; ci/ holds what takes more than a line.
# `make run` and `make test` install what they need from Debian's packages.

BUILD = build

.PHONY: build install run test bench bench-quick fuzz soak model lint cover \
	clean

build:
	ci/install-packages build
	ci/configure $(BUILD)
	ninja -C $(BUILD)

# DESTDIR=... to put it elsewhere; packaging/README.md says what it puts.
install: build
	DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD) --no-rebuild

run: build
	ci/demo $(BUILD)

test:
	ci/test

bench: build
	ci/install-packages bench
	bench/run --build $(BUILD) $(BENCH_FLAGS)

bench-quick: build
	ci/install-packages bench
	bench/run --build $(BUILD) --scale 0.1 $(BENCH_FLAGS)

fuzz: build
	ci/fuzz

soak: build
	ci/soak $(BUILD)

model:
	ci/install-packages build model
	model/run

lint: build
	ci/install-packages lint
	ci/lint $(BUILD)

cover:
	ci/install-packages build test
	ci/cover

clean:
	rm -rf build build-*
