# shellcheck shell=bash
# The budgets, each figure beside its reference.

dev_bench() {
  die 1 'Not there yet.'
}
