# shellcheck shell=bash
# A copy of the sources in the cache, the same for every checkout.
#
# Root's tests run as an ordinary user, who cannot read root's folders. And a file of the copy is only touched when
# its content differs, so that a fresh clone, whose files are all new, builds nothing that is built already.

tree=$cache/tree

copy_tree() {
  local file list=$cache/tree.list
  mkdir -p "$tree"
  (cd "$root" && source_files) >"$list"
  while IFS= read -r -d '' file; do
    [[ -f $root/$file ]] || continue
    if ! cmp -s "$root/$file" "$tree/$file"; then
      mkdir -p "$tree/$(dirname "$file")"
      rm -f "$tree/$file"
      cp "$root/$file" "$tree/$file"
    fi
    [[ ! -x $root/$file || -x $tree/$file ]] || chmod +x "$tree/$file"
  done <"$list"
  # What the sources no longer have.
  comm -z -13 <(sort -z "$list") <(cd "$tree" && find . -type f -printf '%P\0' | sort -z) \
    | (cd "$tree" && xargs -0 -r rm -f --)
  find "$tree" -type d -empty -delete
  chmod -R a+rX "$tree"
}

# build_release [PROGRAM…]: builds programs for use, all when none is named. From the copy too: cargo knows a package by its place in the workspace, and two checkouts
# with one target folder would take each other's programs for their own.
build_release() {
  local wanted=(--bins)
  (($#)) && wanted=("${@/#/--bin=}")
  lock_cache
  copy_tree
  (cd "$tree" && CARGO_TARGET_DIR=$target cargo build --release --locked --workspace "${wanted[@]}" 9>&-) >&2 \
    || die 1 'The build failed.'
  unlock_cache
}

# Everything that is not ignored, committed or not.
source_files() {
  if git -c safe.directory="$root" rev-parse --git-dir >/dev/null 2>&1; then
    git -c safe.directory="$root" ls-files -z --cached --others --exclude-standard
  else
    find . -type d \( -name target -o -name node_modules -o -name .git \) -prune -o -type f -printf '%P\0'
  fi
}
