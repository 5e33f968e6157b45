#!/usr/bin/env bash
# How Rust is compiled to WebAssembly, whether or not rustup has the target.
#
# rust-target.sh build --release ..    runs cargo with these arguments and a target, as JOBCONTROL_RUST_TARGET_COMMAND does
#
# Sourced by the scripts that build, which set `root`, the project's folder:
# install_missing PACKAGE..        installs Debian packages
# rust_target TARGET TARGET_DIR    sets `cargo_rustc`, the command that builds a crate in release for TARGET, and
#                                  `program_args`, what it needs after `--` if the crate is a program

install_missing() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  local sudo=()
  ((EUID == 0)) || sudo=(sudo -n)
  "${sudo[@]}" apt-get update
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

has_target() {
  [[ $'\n'$(rustup target list --installed 2>/dev/null || true)$'\n' == *$'\n'"$1"$'\n'* ]]
}

# for_target TARGET TARGET_DIR ROOT    sets `in_environment` and `for_target`, what comes before cargo and after its command
for_target() {
  local target=$1 target_dir=$2 cargo_home=${CARGO_HOME:-$HOME/.cargo} sources encoded
  in_environment=(env)
  for_target=(--target-dir "$target_dir" --target "$target")
  # Without this, panic messages would hold the paths of the machine that builds.
  local flags=(--remap-path-prefix="$3"=. --remap-path-prefix="$target_dir"=target)
  for sources in "$cargo_home"/registry/src/*; do
    flags+=(--remap-path-prefix="$sources"=registry)
  done
  program_args=()
  if ! has_target "$target"; then
    # No standard library for WebAssembly at hand: build it from Debian's sources.
    install_missing rustc-web rust-web-src wasi-libc
    local name=${target^^} linker
    linker=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
    if [[ $target == *wasi* ]]; then
      flags+=(-L native=/usr/lib/wasm32-wasi -C link-self-contained=no)
      program_args=(-C link-arg=/usr/lib/wasm32-wasi/crt1-command.o)
    fi
    flags+=(--remap-path-prefix=/usr/lib/rustlib/src/rust=rust)
    in_environment+=(RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "CARGO_TARGET_${name//-/_}_LINKER=$linker")
    for_target+=(-Z build-std=std,panic_abort -Z build-std-features=optimize_for_size)
  fi
  encoded=$(printf '%s\x1f' "${flags[@]}")
  in_environment+=(CARGO_ENCODED_RUSTFLAGS="${encoded%$'\x1f'}")
}

rust_target() {
  for_target "$1" "$2" "$root"
  cargo_rustc=("${in_environment[@]}" cargo rustc --release --locked "${for_target[@]}")
}

# A target that plugins can be compiled for here.
plugin_target() {
  if has_target wasm32-wasip2; then echo wasm32-wasip2; else echo wasm32-wasip1; fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  set -euo pipefail
  # What cargo prints to stdout is for a program.
  for_target "$(plugin_target)" "${CARGO_TARGET_DIR:-$PWD/target}" "$PWD" >&2
  exec "${in_environment[@]}" cargo "$@" "${for_target[@]}"
fi
