# shellcheck shell=bash
# Where the programs of the checks come from. Sourced.
#
# checking_tools    puts cargo-deny and cargo-fuzz, in the versions of ci/tools.txt, on the path
# Wants `root`, the project's folder.

# shellcheck source=../examples/rust-target.sh
source "$root/examples/rust-target.sh"

checking_tools() {
  local venv=$root/target/ci-tools
  if ! cmp -s "$root/ci/tools.txt" "$venv/tools.txt"; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_missing python3-venv
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
      -r "$root/ci/tools.txt"
    cp "$root/ci/tools.txt" "$venv/tools.txt"
  fi
  export PATH=$venv/bin:$PATH
}
