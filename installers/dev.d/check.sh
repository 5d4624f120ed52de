# shellcheck shell=bash
# What is asked before a release rather than at every change.

cargo_deny=0.20.2
cargo_machete=0.9.2
tools=$cache/tools
foreign_targets=(x86_64-pc-windows-msvc aarch64-apple-darwin)
checks_failed=()

dev_check() {
  local check chosen=("$@")
  ((${#chosen[@]})) || chosen=(deny machete types desktop foreign)
  need_cargo
  packages_for build check
  lock_cache
  copy_tree
  for check in "${chosen[@]}"; do
    say "== $check"
    "check_$check" || checks_failed+=("$check")
  done
  if ((${#checks_failed[@]})); then
    die 1 "Failed: ${checks_failed[*]}"
  fi
  say 'Every check passed.'
}

# Built without optimisation: they run for seconds.
need_tool() {
  local name=$1 version=$2
  [[ -x $tools/bin/$name && $(cat "$tools/$name.version" 2>/dev/null) == "$version" ]] && return
  say "Building $name $version"
  (cd "$tree" && CARGO_TARGET_DIR=$target CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    cargo install --quiet --locked --root "$tools" "$name@$version" 9>&-) || return
  printf '%s\n' "$version" >"$tools/$name.version"
}

check_deny() {
  need_tool cargo-deny "$cargo_deny" || return
  local deny=("$tools/bin/cargo-deny" --manifest-path "$tree/Cargo.toml" --locked check)
  (cd "$tree" && "${deny[@]}" --hide-inclusion-graph bans licenses sources) || return
  # The advisories' database is a repository elsewhere; without it the rest has still been checked.
  if timeout 60 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    (cd "$tree" && "${deny[@]}" advisories)
  else
    say 'The database of advisories cannot be reached from here: not checked.'
  fi
}

check_machete() {
  need_tool cargo-machete "$cargo_machete" || return
  (cd "$tree" && "$tools/bin/cargo-machete" --with-metadata)
}

# The page script and the browser stories carry their types in comments.
check_types() {
  need_node_tools
  local tsc=("$node_tools/node_modules/.bin/tsc")
  "${tsc[@]}" -p "$tree/modules/web/assets/tsconfig.json" || return
  "${tsc[@]}" -p "$tree/modules/web/assets/worker/tsconfig.json" || return
  ln -sfn "$node_tools/node_modules" "$tree/tests/web/node_modules"
  local status=0
  "${tsc[@]}" -p "$tree/tests/web/tsconfig.json" || status=$?
  rm -f "$tree/tests/web/node_modules"
  return "$status"
}

check_desktop() {
  local entry found=()
  mapfile -t found < <(find "$tree" -name '*.desktop')
  for entry in "${found[@]}"; do
    desktop-file-validate "$entry" || return
  done
}

# Types and names on the other systems. Dependencies compile C on the way; nothing of that is linked by a check, so
# stand-ins for the compilers are enough, in a target folder that no real build uses.
check_foreign() {
  local installed target_name flags=()
  installed=$(cd "$tree" && rustup target list --installed 2>/dev/null) || installed=
  for target_name in "${foreign_targets[@]}"; do
    if ! grep -qx "$target_name" <<<"$installed"; then
      (cd "$tree" && timeout 120 rustup target add "$target_name") >&2 || {
        say "The standard library for $target_name can be had neither here nor from rustup: not checked."
        continue
      }
    fi
    flags+=(--target "$target_name")
  done
  ((${#flags[@]})) || return 0
  stand_ins
  (
    cd "$tree" || exit
    export SDKROOT=/nonexistent CARGO_TARGET_DIR=$cache/target-check
    local triple
    for triple in aarch64_apple_darwin x86_64_pc_windows_msvc; do
      export "CC_$triple=$cache/stand-ins/cc" "CXX_$triple=$cache/stand-ins/cc" "AR_$triple=$cache/stand-ins/ar" \
        "RANLIB_$triple=/bin/true"
    done
    cargo check --locked --workspace --all-targets "${flags[@]}" 9>&-
  )
}

stand_ins() {
  mkdir -p "$cache/stand-ins"
  cat >"$cache/stand-ins/cc" <<'CC'
#!/usr/bin/env bash
# Says it is clang and makes empty object files.
output=
for ((i = 1; i <= $#; i++)); do
  next=$((i + 1))
  case ${!i} in
    -E) preprocess=yes ;;
    --version) printf 'clang version 19.0.0\n' && exit 0 ;;
    -o | -Fo | /Fo) output=${!next-} ;;
    -o?*) output=${!i#-o} ;;
    -Fo?* | /Fo?*) output=${!i#?Fo} ;;
    *.c) source=${!i} ;;
  esac
done
if [[ ${preprocess-} ]]; then
  exec cc -E -D__clang__=1 -D__clang_major__=19 "${source-/dev/null}"
fi
[[ -z $output ]] || : >"$output"
CC
  cat >"$cache/stand-ins/ar" <<'AR'
#!/usr/bin/env bash
# Makes empty archives.
for argument; do
  case $argument in
    [-/]OUT:* | [-/]out:*) printf '!<arch>\n' >"${argument#*:}" ;;
    *.a | *.lib) printf '!<arch>\n' >"$argument" ;;
  esac
done
AR
  chmod +x "$cache/stand-ins/cc" "$cache/stand-ins/ar"
}
