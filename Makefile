# Short commands around the CMake presets; `make` lists them.
PRESET ?= release
BUILD := build/$(PRESET)
JOBS ?= $(shell nproc)

.DEFAULT_GOAL := help
# What speech-check listens to: any documents with captions and 16 kHz WAV recordings, and a speech codec.
SPEECH_DATA ?= data/quickstart/documents_three_modality
SPEECH_CODEC ?= data/quickstart/codecs/speech

.PHONY: help setup configure build build-times quickstart showcase seeds test test-slow check speech-check bench asan tsan coverage fuzz deb wheel test-python format clean
.NOTPARALLEL:

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install or fetch what is missing (packages, LibTorch, quickstart sources)
	@scripts/setup

$(BUILD)/build.ninja:
	cmake --preset $(PRESET)

configure: setup
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja

build: configure  ## build everything into build/release (PRESET=dev or asan for others)
	cmake --build --preset $(PRESET) -j $(JOBS)

build-times:  ## where the time of the last build went: targets and slowest files
	@scripts/build-times $(BUILD)

SETTING ?= transfusion
quickstart: configure  ## data, codecs, both models, evaluation and report; SETTING=transfusion, chameleon or three_modality
	cmake --build --preset $(PRESET) -j $(JOBS) --target mom mom-quickstart-data
	@scripts/quickstart $(BUILD)/bin/mom $(SETTING)

showcase: configure  ## hours: more styles, longer training, pictures that hold together; SETTING=transfusion or chameleon
	cmake --build --preset $(PRESET) -j $(JOBS) --target mom mom-quickstart-data
	@scripts/showcase $(BUILD)/bin/mom $(SETTING)

seeds: build  ## both models with three seeds, after `make quickstart` of the same SETTING: runs/seeds/SETTING/README.md
	$(BUILD)/bin/mom study configs/studies/settings.toml --out runs/seeds/$(SETTING) --set 'recipes=["configs/$(SETTING).toml"]'

test: build  ## build and run all tests except the slow ones
	ctest --preset $(PRESET) -L fast -j $(JOBS)

test-slow: build  ## run the slow tests
	ctest --preset $(PRESET) -L slow

speech-check: build  ## run a speech recogniser on held-out speech before and after its codec (SPEECH_DATA, SPEECH_CODEC)
	@"$$(scripts/python-env .deps/recogniser tests/recogniser/requirements.txt)" tests/recogniser/check.py \
	  $(BUILD)/bin/mom $(SPEECH_DATA) $(SPEECH_CODEC)

bench: build  ## time ops and stages, then the training step beside its peer
	$(BUILD)/bin/mom-bench
	bench/peers/run $(BUILD)/bin/mom-bench

asan:  ## build and test with address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory test PRESET=asan

# Of the folders that have threads. Without random addresses: the sanitizer's shadow has no room for those of every kernel.
TSAN_FOLDERS := base data dist generate http nn ops serve study train
space := $(subst ,, )
tsan:  ## build with the thread sanitizer and test what has threads
	@scripts/setup
	@cmake --preset tsan > /dev/null && cmake --build --preset tsan -j $(JOBS) --target mom $(addsuffix _tests,$(TSAN_FOLDERS))
	@setarch -R ctest --preset tsan -L fast -R '^($(subst $(space),|,$(TSAN_FOLDERS)))\.' -j $(JOBS)

coverage:  ## which branches of base, config, formats, data, http and serve the fast tests take: a table
	@scripts/setup
	@cmake --preset coverage > /dev/null && cmake --build --preset coverage -j $(JOBS)
	@scripts/coverage

fuzz:  ## look for inputs that are defects with libFuzzer, a minute for each of what reads bytes (fuzz/)
	@scripts/setup --with fuzz
	@cmake --preset fuzz > /dev/null && cmake --build --preset fuzz -j $(JOBS) --target mom-fuzz
	@scripts/fuzz

deb: build  ## the Debian package, build/release/mom_*.deb (docs/install.md)
	rm -f $(BUILD)/mom_*.deb
	cd $(BUILD) && cpack && rm -rf _CPack_Packages

wheel: configure  ## the Python packages, build/wheel/mixture_of_mamba*.whl (python/README.md)
	@scripts/wheel

test-python: build  ## build the wheels and run the fast tests of the Python packages
	ctest --preset $(PRESET) -L fast -R '^python\.'

check:  ## format, layers, shell scripts and file sizes, in seconds; scripts/setup --with check installs the tools
	@scripts/check

format:  ## format the sources
	@git ls-files -z '*.cpp' '*.h' '*.cu' | xargs -0 clang-format-14 -i

clean:  ## remove what was built (not data, runs, .venv and .deps)
	rm -rf build
