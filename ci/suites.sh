# shellcheck shell=bash
# The suites of .ci/run and ci/nightly, and the table of what they took. Sourced.
#
# step NAME COMMAND..    runs a command as a step of the table, which is printed when the script ends, however it ends
# Everything is built once. The workspace goes into target/debug, whose program all suites run, in short form or long;
# the crates outside of it share target/examples.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit
# shellcheck source=tools.sh
source ci/tools.sh
export CARGO_TERM_COLOR=never
# Each crate is built once: what a next build would save is only room on the disk.
export CARGO_INCREMENTAL=0

fresh=$(mktemp -d)
outside=$root/target/examples
# Plugins that the repository holds, and that a suite builds from source for a time.
plugins=(jobs/sales.wasm examples/fetch/jobs/fetch.wasm tests/guests/sdk.wasm tests/guests/http.wasm
  tests/guests/rust-form.wasm)
replaced=

done_steps=()
current=
began=0

finished() {
  [[ -z $current ]] || done_steps+=("$((SECONDS - began)) $current$1")
  current=
}

step() {
  finished ''
  current=$1 began=$SECONDS
  printf '\n== %s (%s s, %s MB free)\n' "$1" "$SECONDS" "$(df --output=avail -BM . | tail -1 | tr -dc 0-9)"
  shift
  "$@"
}

at_the_end() {
  local status=$?
  if ((status)); then finished " FAILED"; else finished ''; fi
  restore_plugins
  rm -rf "$fresh"
  printf '\n== seconds of each step\n'
  printf '%s\n' "${done_steps[@]}" | awk 'NF { s = $1; sub(/^[0-9]+ /, ""); printf "%6d  %s\n", s, $0 }'
  printf '%6d  in all\n' "$SECONDS"
  exit "$status"
}
trap at_the_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The folder of each crate, with its own Cargo.lock, that is not of the workspace.
crates_outside() { git ls-files -- '*/Cargo.lock' | xargs -n 1 dirname; }

format() {
  local crate
  cargo fmt --all --check
  for crate in $(crates_outside); do
    # One of them is only fetched, and has no source of Rust.
    [[ ! -d $crate/src && ! -d $crate/fuzz_targets ]] || (cd "$crate" && cargo fmt --check)
  done
}

# dependencies CHECK..    what cargo-deny checks, by deny.toml, of the workspace and of each crate outside of it
dependencies() {
  local crate
  checking_tools
  # What the workspace does not need is not in deny.toml; what others do not need may be.
  cargo-deny --locked check -D unmatched-skip -D unnecessary-skip -A license-exception-not-encountered "$@"
  for crate in $(crates_outside); do
    cargo-deny --locked --manifest-path "$crate/Cargo.toml" --config deny.toml check --hide-inclusion-graph \
      -A license-not-encountered -A license-exception-not-encountered -A unmatched-skip -A unmatched-skip-root \
      -A unnecessary-skip "$@"
  done
}

build_tests() { cargo test --locked --no-run; }

# The whole of it, as the README says.
readme_test() { cargo test; }

restore_plugins() {
  [[ -z $replaced ]] || git checkout --quiet -- "${plugins[@]}"
  replaced=
}

fresh_plugins() {
  replaced=yes
  examples/build.sh
  mkdir -p "$fresh/plugins"
  cp "${plugins[@]}" "$fresh/plugins"
  cargo test --test tests -- sandbox http forms::rust
  cargo test --test tests -- forms::made --ignored
  restore_plugins
}

# scripts PROGRAM    the interpreters of scripts are made, JavaScript's to answer as the one that the repository holds, and
# scripts in Python run
scripts() {
  runner/runtimes/js/build.sh "$fresh/js.wasm"
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_missing python3-venv
  "$1" --runtimes "$fresh/runtimes" runtime install python
  # One that runs TypeScript, for the test of a new folder.
  npm install --silent --no-audit --no-fund --prefix "$fresh/node" node@22
  JOBCONTROL_NODE=$fresh/node/node_modules/.bin JOBCONTROL_JS=$fresh/js.wasm JOBCONTROL_PYTHON=$fresh/runtimes \
    cargo test --test tests -- scripts:: forms::graph forms::python --ignored
}

libraries() {
  (cd sdk/rust && cargo test --locked --workspace --target-dir "$outside")
  (cd tests/plugins/rust && cargo test --locked --target-dir "$outside")
  (cd examples/sales && cargo test --locked --target-dir "$outside")
  (cd examples/fetch && cargo test --locked --target-dir "$outside")
}

# readme_first PROGRAM    the README's first command, on the plugin built from source
readme_first() {
  rm -rf "$fresh/jobs" "$fresh/jobcontrol.db"*
  cp -r jobs "$fresh/jobs"
  cp "$fresh/plugins/sales.wasm" "$fresh/jobs/sales.wasm"
  (cd "$fresh" && "$1" run --deps sales-report) | tee "$fresh/report.txt"
  grep -q '3,984 orders, 672 with a coupon' "$fresh/report.txt"
}

build_toolchains() { tests/toolchains/build.sh "$fresh/toolchains"; }

# toolchains PROGRAM
toolchains() {
  JOBCONTROL_TOOLCHAINS=$fresh/toolchains JOBCONTROL_TEST_PROGRAM=$1 \
    cargo test --test tests toolchains:: -- --ignored --test-threads=1
}

# The manual; a link that leads nowhere is an error.
manual() {
  manual_tools
  NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
}

# The pages in a real browser.
browser() {
  install_missing chromium chromium-driver
  cargo test --test tests -- browser:: --ignored --test-threads=2
}

# Workers on real NATS servers.
workers() {
  nats_tools
  cargo test --test tests -- workers:: --ignored --test-threads=2
}

# soak SECONDS    two services, edits, cancels and kills at random, and all invariants of the store at the end
soak() {
  JOBCONTROL_SOAK=$1 cargo test --test tests service::soak -- --ignored --nocapture
}

# schema PROGRAM
schema() { (cd tests/schema && JOBCONTROL_TEST_PROGRAM=$1 cargo test --locked --target-dir "$outside"); }

# api PROGRAM    requests made of the API's own description, for a minute, at a service with the sample jobs. What only the
# function of a job knows is not described, so a request may be refused that the description allows. Streams of events have
# no end.
api() {
  local folder=$fresh/api address='' service status=0
  api_tools
  rm -rf "$folder"
  mkdir -p "$folder"
  cp -r jobs "$folder/jobs"
  (cd "$folder" && exec "$1" serve --listen 127.0.0.1:0 --log json 2>serve.log) &
  service=$!
  while [[ -z $address ]]; do
    kill -0 "$service"
    sleep 0.1
    address=$(sed -n 's/.*"address":"\(http:[^"]*\)".*/\1/p' "$folder/serve.log" 2>/dev/null | head -1)
  done
  (cd "$folder" && schemathesis run "$address/api/v1/openapi.json" --exclude-path /api/v1/events --checks all \
    --exclude-checks positive_data_acceptance --max-examples 15 --max-time 50 --rate-limit 45/s --request-timeout 20 \
    --seed 1 --no-color) || status=$?
  kill "$service"
  wait "$service" || true
  return "$status"
}

# killed ROUNDS    processes killed at random points
killed() { JOBCONTROL_KILL_ROUNDS=$1 cargo test --test tests execution::many -- --nocapture; }

# fuzz SECONDS [TARGET..]
fuzz() { fuzz/run.sh "$@"; }

clippy() {
  local crate
  cargo clippy --workspace --all-targets --locked -- -D warnings
  local crates=(sdk/rust/guest examples/{sales,fetch,componentize} tests/http-guest tests/plugins/rust tests/schema)
  for crate in "${crates[@]}"; do
    (cd "$crate" && cargo clippy --all-targets --locked --target-dir "$outside" -- -D warnings)
  done
  (cd sdk/rust && cargo clippy --workspace --all-targets --locked --target-dir "$outside" -- -D warnings)
}
