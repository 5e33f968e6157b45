#!/usr/bin/env bash
# Builds the interpreter of JavaScript, which the repository holds as runner/runtimes/js.wasm.
# Usage: runner/runtimes/js/build.sh [OUT]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=${1:-$here/../js.wasm}
# shellcheck source=../../../examples/rust-target.sh
source "$root/examples/rust-target.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v npm >/dev/null || install_missing nodejs npm
npm install --silent --no-audit --no-fund --prefix "$work/npm" componentize-qjs@0.4.5
cp -r "$here/wit" "$work/wit"
# The contract exists only once in the repository, so copy it from there.
mkdir -p "$work/wit/deps/plugin"
cp "$root/sdk/wit/plugin.wit" "$work/wit/deps/plugin/"
"$work/npm/node_modules/.bin/componentize-qjs" --wit "$work/wit" --js "$here/runtime.js" --world script \
  --sync --opt-size --minify --output "$out"
echo "$out: $(wc -c <"$out") bytes"
