# shellcheck shell=bash
# Everything a change must pass, stage by stage, with one build for all tests.

stages=(fmt clippy tidy unit integration browser desktop)
unit_limit_s=600
story_limit_s=1500
tester=nexus-test
# The window lets a driver attach; a build for users does not.
test_features=window/automation
failed=()
# More variables of the tests. A real cloudflared registers with Cloudflare alone, so it plays only what needs no connection.
tester_env=()
[[ -z ${NEXUS_TEST_CLOUDFLARED-} ]] || tester_env+=("NEXUS_TEST_CLOUDFLARED=$NEXUS_TEST_CLOUDFLARED")

dev_test() {
  local stage chosen=("$@")
  ((${#chosen[@]})) || chosen=("${stages[@]}")
  for stage in "${chosen[@]}"; do
    [[ " ${stages[*]} " == *" $stage "* ]] || die 2 "There is no stage $stage. The stages: ${stages[*]}"
  done
  prepare
  for stage in "${chosen[@]}"; do
    local began=$SECONDS
    say "== $stage"
    "stage_$stage"
    say "== $stage took $((SECONDS - began)) s"
  done
  nobody_left
  [[ -z ${NEXUS_TEST_CLOUDFLARED-} ]] \
    || say "With $NEXUS_TEST_CLOUDFLARED: outside::offline. With the stand-in for cloudflared: every other story."
  if ((${#failed[@]})); then
    say "Failed: ${failed[*]}"
    exit 1
  fi
  say 'Everything passed.'
}

prepare() {
  need_cargo
  packages_for build test
  need_node_tools
  need_opencode
  lock_cache
  copy_tree
  tester_home
}

# run NAME COMMAND…: a failure is remembered, and the rest still runs.
run() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}

in_tree() { (cd "$tree" && CARGO_TARGET_DIR=$target "$@" 9>&-); }

stage_fmt() { run fmt in_tree cargo fmt --all --check; }

stage_clippy() {
  run clippy in_tree cargo clippy --locked --workspace --all-targets --features "$test_features" --quiet -- -D warnings
  run shellcheck in_tree shellcheck -x .ci/run installers/dev
}

# These read the sources and ask cargo, so they run as whoever builds.
stage_tidy() {
  build
  local name package executable
  while IFS=$'\t' read -r name package executable; do
    [[ $name == it ]] || continue
    run tidy in_tree env "CARGO_MANIFEST_DIR=$package" "$executable" tidy:: edges::
  done <"$cache/tests.list"
}

stage_unit() {
  build
  local name package executable
  while IFS=$'\t' read -r name package executable; do
    [[ $name == it ]] && continue
    run "unit:$name" as_tester "$package" "$unit_limit_s" "$executable" --quiet
  done <"$cache/tests.list"
}

stage_integration() {
  stories integration --skip tidy:: --skip edges:: --skip desktop --skip supervision:: --test-threads=2
  # These measure how long things take: nothing runs beside them.
  stories supervision supervision:: --test-threads=1
}
# One display at a time: stories with windows ask for attention.
stage_desktop() { stories desktop desktop --skip tidy:: --skip edges:: --test-threads=1; }

stories() {
  local stage=$1 name package executable
  shift
  build
  while IFS=$'\t' read -r name package executable; do
    [[ $name == it ]] || continue
    run "$stage" as_tester "$package" "$story_limit_s" "$executable" "$@"
  done <"$cache/tests.list"
}

stage_browser() {
  build
  local files=("$tree"/tests/web/*.test.js)
  run browser as_tester "$tree/tests/web" "$story_limit_s" node --test --test-concurrency=1 "${files[@]}"
}

# The stories that have a long form, in it: a hundred kills each, a server that is stopped or busy at the real waits, a
# flood of a minute. Some 45 minutes; nothing should run beside it.
dev_long() {
  prepare
  story_limit_s=7200
  tester_env+=(NEXUS_TEST_LONG=1)
  stories long supervision::loops supervision::enduring supervision::misbehaving \
    outside::network::a_service_that_wants_fewer --test-threads=1 --nocapture
  nobody_left
  ((${#failed[@]} == 0)) || die 1 "Failed: ${failed[*]}"
}

# The stories over and over: what is flaky or grows is found by repetition.
dev_repeat() {
  local minutes=${1:-60} rounds=0
  prepare
  while ((SECONDS < minutes * 60 && ${#failed[@]} == 0)); do
    stage_integration
    stage_browser
    stage_desktop
    nobody_left
    rounds=$((rounds + 1))
  done
  ((${#failed[@]} == 0)) || die 1 "Failed in round $rounds: ${failed[*]}"
  say "$rounds rounds passed."
}

dev_pictures() {
  prepare
  build
  as_tester "$tree/tests/web" "$story_limit_s" \
    env NEXUS_TEST_PICTURES="$tester_home/pictures" node --test --test-concurrency=1 "$tree/tests/web/pictures.test.js" \
    || die 1 'The stories that take the pictures failed.'
  local name
  for name in "$root"/tests/web/pictures/*.png; do
    convert "$tester_home/pictures/${name##*/}" -strip -colors 200 "PNG8:$name"
  done
}

# Builds every program and every test once, and lists the tests: name, folder of the package, executable.
build() {
  [[ -z ${built-} ]] || return 0
  in_tree cargo build --locked --workspace --all-targets --features "$test_features" \
    --message-format=json-render-diagnostics \
    >"$cache/build.json" || die 1 'The build failed.'
  node "$parts/list-tests.mjs" "$cache/build.json" >"$cache/tests.list"
  built=yes
}

# A home for the tests of this run, and somebody ordinary to live there.
tester_home() {
  tester_home=$(mktemp -d /tmp/nexus-test.XXXXXX)
  trap 'rm -rf "$tester_home"' EXIT
  if ((EUID == 0)); then
    id -u "$tester" >/dev/null 2>&1 \
      || useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /bin/sh "$tester" \
      || die 4 "The tests need an ordinary user. Run: useradd --system --user-group --shell /bin/sh $tester"
    chown "$tester:" "$tester_home"
  fi
}

# as_tester FOLDER SECONDS COMMAND…: in a clean environment, as an ordinary user, for a limited time. Property tests
# have the same cases in each run: a change is judged by what it changes, and `fuzz` looks for what nobody thought of.
as_tester() {
  local folder=$1 limit=$2 become=()
  shift 2
  ((EUID == 0)) && become=(setpriv "--reuid=$tester" "--regid=$tester" --init-groups --inh-caps=-all)
  (cd "$folder" && exec "${become[@]}" env -i \
    "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" "HOME=$tester_home" "TMPDIR=$tester_home" LANG=C.UTF-8 \
    "USER=${tester}" "SHELL=/bin/sh" RUST_BACKTRACE=1 PROPTEST_RNG_SEED=1 "CARGO_MANIFEST_DIR=$folder" \
    "NEXUS_DEV_CACHE=$cache" "NEXUS_TEST_OPENCODE=$opencode_home/bin/opencode" \
    "NEXUS_TEST_PROGRAMS=$target/debug" "NEXUS_TEST_NODE=$node_tools" "${tester_env[@]}" \
    timeout --kill-after=10 "$limit" "$@" 9>&- </dev/null)
}

# Nothing the tests started may outlive them.
nobody_left() {
  ((EUID == 0)) || return 0
  local left
  # One that has ended and waits for its parent to look is not running.
  left=$(ps -u "$tester" -o stat=,pid=,args= | grep -v '^Z' || true)
  [[ -z $left ]] && return 0
  say "Left running by the tests:"
  say "$left"
  failed+=(leftovers)
  ps -u "$tester" -o pid= | xargs -r kill -KILL 2>/dev/null || true
}
