#!/usr/bin/env bash
# Runs each fuzz target for SECONDS (60 by default) with a stable compiler; stops at the first input that fails.
# fuzz/run.sh [SECONDS [TARGET..]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd .. && pwd)
# shellcheck source=../ci/tools.sh
source ../ci/tools.sh
checking_tools
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(manifest value convert plugin trace)

# What coverage needs of the compiler is not stable; the sanitizers, which we do without, would need another one.
export RUSTC_BOOTSTRAP=1

seed() { mkdir -p "corpus/$1" && cp -f "${@:2}" "corpus/$1/"; }
seed manifest ../jobs/*.yaml ../tests/manifests/invalid/*.yaml
seed plugin ../tests/guests/*.wat ../jobs/*.wasm
seed trace seeds/trace/*
seed convert seeds/convert/*
seed value seeds/value/*

for target in "${targets[@]}"; do
  features=()
  [[ $target =~ ^(plugin|trace)$ ]] && features=(--features plugin)
  printf '\n== %s\n' "$target"
  cargo fuzz run --sanitizer none "${features[@]}" "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=60 -rss_limit_mb=2048
done
