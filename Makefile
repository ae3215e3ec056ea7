# Everything starts here; `make help` lists it. Needs a Swift toolchain and git; scripts/setup sees to the rest.

PREFIX = /usr/local
DESTDIR =
SETUP = scripts/setup
RELEASE = swift build -c release --static-swift-stdlib -Xlinker -s

export PREFIX DESTDIR

.PHONY: all build demo test model bench release install uninstall lint clean help

all: build

build: ## build for development, into .build/debug
	$(SETUP)
	swift build

demo: build ## see the whole thing work in a scratch folder
	.build/debug/shipit demo

test: ## run all tests
	$(SETUP) test
	swift build --build-tests
	swift test --skip-build --quiet

model: ## judge the rules of the queue by 100,000 random histories
	$(SETUP) test
	SHIPIT_HISTORIES=$${HISTORIES:-100000} swift test -c release -Xswiftc -enable-testing --filter SteeringModel

bench: release ## measure, and print the figures that the README quotes; QUICK=1 for a first look
	$(SETUP) bench
	scripts/bench

release: ## build for release, with the Swift library linked in
	$(SETUP) install
	$(RELEASE) --product shipit
	$(RELEASE) --product shipit-receive
	$(RELEASE) --product generate-manual

install: release ## install below PREFIX (/usr/local): programs, man pages, completions, systemd units
	scripts/install

uninstall: ## remove what install put there
	scripts/install --undo

lint: ## what swift format and sh have to say
	swift format lint --strict --parallel --recursive Package.swift Plugins Sources Tests templates
	for script in scripts/setup scripts/install .ci/run; do bash -n $$script || exit; done
	for script in scripts/bench scripts/age-ledger scripts/benchmark/*.py; do \
		python3 -c "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')" $$script || exit; done
	for script in hooks/* templates/*/repository/scripts/*; do sh -n $$script || exit; done

clean: ## remove what was built
	rm -rf .build

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 12
