#!/usr/bin/env bash
# Builds the plugins that the repository holds, from source.
# With OUT_DIR, all files go there and the repository stays as it is.
# Usage: examples/build.sh [OUT_DIR]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target/examples}
mkdir -p "$target_dir"
target_dir=$(cd "$target_dir" && pwd)

if (($# > 1)); then
  echo "usage: examples/build.sh [OUT_DIR]" >&2
  exit 2
fi
if (($# == 1)); then
  mkdir -p "$1"
  out=$(cd "$1" && pwd)
  sales=$out/sales.wasm
  sdk=$out/sdk.wasm
  fetch=$out/fetch.wasm
  http=$out/http.wasm
  form=$out/rust-form.wasm
else
  sales=$root/jobs/sales.wasm
  sdk=$root/tests/guests/sdk.wasm
  fetch=$root/examples/fetch/jobs/fetch.wasm
  http=$root/tests/guests/http.wasm
  form=$root/tests/guests/rust-form.wasm
fi

# shellcheck source=rust-target.sh
source "$root/examples/rust-target.sh"

build=(cargo build --release --locked --target-dir "$target_dir")
for crate in examples/componentize sdk/rust/guest examples/sales examples/fetch tests/http-guest tests/plugins/rust; do
  (cd "$root/$crate" && cargo fetch --locked)
done
(cd "$root/examples/componentize" && "${build[@]}")

target=$(plugin_target)
rust_target "$target" "$target_dir"

build_plugin() {
  (cd "$root/$1" && "${cargo_rustc[@]}")
  "$target_dir/release/componentize" "$target_dir/$target/release/$2.wasm" "$3"
  echo "$3: $(wc -c <"$3") bytes"
}

build_plugin sdk/rust/guest sdk "$sdk"
build_plugin examples/sales sales "$sales"
build_plugin examples/fetch fetch "$fetch"
build_plugin tests/http-guest http_guest "$http"
build_plugin tests/plugins/rust rust_form "$form"
