# shellcheck shell=bash
# Removes everything that was built or fetched; the sources stay.

dev_clean() {
  (cd "$root" && rm -rf target tests/web/node_modules)
  # Only what this script makes: a cache folder somebody named may hold other things.
  (cd "$cache" && rm -rf target target-check tree tree.list tests.list build.json lock demo tools stand-ins bench \
    opencode-*/ node-*/ ./*.half)
  rmdir --ignore-fail-on-non-empty "$cache"
}
