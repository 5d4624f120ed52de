# shellcheck shell=bash
# The property tests, each target for as long as it is given instead of the few cases of `test`.

# Target: package, and the tests that are its.
fuzz_targets=(
  'page chat markdown::'
  'session-cookie fuzz cookie::'
  'path fuzz path::'
  'headers fuzz headers::'
  'bytes fuzz bytes::'
  'log-line fuzz log_line::'
  'events opencode events::sse::'
  'backoff supervisor failures::'
  'machine supervisor machine::tests::any_order'
  'bubbles notices judge::'
  'cloudflared-line tunnel line::'
  'lockout gateway throttle::outsiders'
)

dev_fuzz() {
  local seconds=${1:-60} target_line name package tests failed_targets=()
  need_cargo
  packages_for build
  for target_line in "${fuzz_targets[@]}"; do
    read -r name package tests <<<"$target_line"
    say "== $name"
    fuzz_one "$package" "$tests" "$seconds" || failed_targets+=("$name")
  done
  ((${#failed_targets[@]} == 0)) || die 1 "Failed: ${failed_targets[*]}"
}

# Runs with more and more cases until the time is over; the count that was reached is said.
fuzz_one() {
  local package=$1 tests=$2 seconds=$3 cases=2000 done=0 began=$SECONDS
  while ((SECONDS - began < seconds)); do
    (cd "$root" && PROPTEST_CASES=$cases CARGO_TARGET_DIR=$target \
      timeout "$((seconds * 5))" cargo test --quiet --locked -p "$package" --lib "$tests" >&2) || return
    done=$((done + cases))
    cases=$((cases * 2))
  done
  say "$done cases of $tests in $((SECONDS - began)) s"
}
