# shellcheck shell=bash
# The property tests with many more cases than `test` gives them.

dev_fuzz() {
  local cases=${1:-20000}
  need_cargo
  packages_for build
  (cd "$root" && PROPTEST_CASES=$cases CARGO_TARGET_DIR=$target \
    cargo test --locked -p fuzz -p chat -p gateway -p opencode --lib)
}
