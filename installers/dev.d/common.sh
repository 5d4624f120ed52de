# shellcheck shell=bash
# Where things are kept, and how the script speaks.

if [[ -n ${NEXUS_DEV_CACHE-} ]]; then
  cache=$NEXUS_DEV_CACHE
elif ((EUID == 0)); then
  # Root's home is closed to the ordinary user the tests run as.
  cache=/var/cache/opencode-nexus-dev
else
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/opencode-nexus-dev
fi
mkdir -p "$cache"
# One target folder for every checkout: a second clone finds its dependencies built.
target=${CARGO_TARGET_DIR:-$cache/target}

# On a build machine nothing is edited between two builds.
[[ ${CI-} == true ]] && export CARGO_INCREMENTAL=0

say() { printf '%s\n' "$*" >&2; }

# die STATUS TEXT: 1 failed, 4 the person has to do something.
die() {
  say "$2"
  exit "$1"
}

need_cargo() {
  if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
    PATH=$HOME/.cargo/bin:$PATH
  fi
  command -v cargo >/dev/null \
    || die 4 'Rust is missing. Install it as https://rustup.rs says, then run this again.'
  pin_rust
}

# Lints and formatting are those of one Rust release. Where rustup neither has it nor can fetch it, the one that is
# there serves: cargo itself refuses one that is too old.
pin_rust() {
  [[ -z ${RUSTUP_TOOLCHAIN-} ]] && command -v rustup >/dev/null || return 0
  local release
  release=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/installers/rust-toolchain.toml")
  if ! RUSTUP_TOOLCHAIN=$release cargo clippy --version >/dev/null 2>&1; then
    say "Fetching Rust $release"
    timeout 600 rustup toolchain install "$release" --profile minimal --component clippy,rustfmt >&2 || {
      say "Rust $release could not be fetched; using $(cargo --version)."
      return 0
    }
  fi
  export RUSTUP_TOOLCHAIN=$release
}

# Two runs at once would build and test in the same folders: the second waits.
lock_cache() {
  exec 9>"$cache/lock"
  flock --nonblock 9 || {
    say 'Another run uses the same cache; waiting for it.'
    flock 9
  }
}

unlock_cache() { exec 9>&-; }
