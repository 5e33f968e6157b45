#!/usr/bin/env bash
# Builds jobs/sales.wasm and tests/guests/sdk.wasm from source.
# With OUT_DIR, both files go there and the repository stays as it is.
# Usage: examples/build.sh [OUT_DIR]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target/examples}
mkdir -p "$target_dir"
target_dir=$(cd "$target_dir" && pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}

if (($# > 1)); then
  echo "usage: examples/build.sh [OUT_DIR]" >&2
  exit 2
fi
if (($# == 1)); then
  mkdir -p "$1"
  out=$(cd "$1" && pwd)
  sales=$out/sales.wasm
  sdk=$out/sdk.wasm
else
  sales=$root/jobs/sales.wasm
  sdk=$root/tests/guests/sdk.wasm
fi

install_missing() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  local sudo=()
  ((EUID == 0)) || sudo=(sudo -n)
  "${sudo[@]}" apt-get update
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

build=(cargo build --release --locked --target-dir "$target_dir")
for crate in examples/componentize sdk/rust/guest examples/sales; do
  (cd "$root/$crate" && cargo fetch --locked)
done
(cd "$root/examples/componentize" && "${build[@]}")

# Without this, panic messages would hold the paths of the machine that builds.
flags=(--remap-path-prefix="$root"=. --remap-path-prefix="$target_dir"=target)
for sources in "$cargo_home"/registry/src/*; do
  flags+=(--remap-path-prefix="$sources"=registry)
done

installed=$(rustup target list --installed 2>/dev/null || true)
if [[ $'\n'$installed$'\n' == *$'\nwasm32-wasip2\n'* ]]; then
  target=wasm32-wasip2
  plugin=("${build[@]}" --target "$target")
else
  # No standard library for WebAssembly at hand: build it from Debian's sources.
  target=wasm32-wasip1
  install_missing rustc-web rust-web-src wasi-libc
  host=$(rustc -vV | sed -n 's/^host: //p')
  linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
  flags+=(-L native=/usr/lib/wasm32-wasi -C link-self-contained=no)
  flags+=(--remap-path-prefix=/usr/lib/rustlib/src/rust=rust)
  plugin=(env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_WASIP1_LINKER="$linker"
    "${build[@]}" -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size --target "$target")
fi

encoded_flags=$(printf '%s\x1f' "${flags[@]}")
encoded_flags=${encoded_flags%$'\x1f'}

build_plugin() {
  (cd "$root/$1" && CARGO_ENCODED_RUSTFLAGS=$encoded_flags "${plugin[@]}")
  "$target_dir/release/componentize" "$target_dir/$target/release/$2.wasm" "$3"
  echo "$3: $(wc -c <"$3") bytes"
}

build_plugin sdk/rust/guest sdk "$sdk"
build_plugin examples/sales sales "$sales"
