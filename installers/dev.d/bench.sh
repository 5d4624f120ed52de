# shellcheck shell=bash
# The budgets, each figure beside its reference in the same run. Takes some ten minutes; best on a quiet machine.

dev_bench() {
  if (($#)); then bench_with only "$@"; else bench_with; fi
}

# A day in twenty minutes: work, pages and kills, while memory, descriptors and zombies are counted.
dev_soak() { bench_with soak "${1:-20}"; }

# Two hundred streams, readers that stop, a storm of logins, half-open senders, uploads: nine minutes, or as it is told.
dev_load() { bench_with load "${1:-300}"; }

bench_with() {
  need_cargo
  packages_for build test bench
  need_node_tools
  need_opencode
  build_release
  env NEXUS_BENCH_ROOT="$root" NEXUS_TEST_PROGRAMS="$target/release" NEXUS_TEST_NODE="$node_tools" \
    NEXUS_TEST_OPENCODE="$opencode_home/bin/opencode" "$target/release/bench" "$@"
}
