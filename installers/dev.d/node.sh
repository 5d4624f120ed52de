# shellcheck shell=bash
# Node, the tools of the browser tests, and opencode from npm. All pinned, all in the cache.

node_major_min=18
opencode_version=1.18.33
opencode_home=$cache/opencode-$opencode_version
# Where the tools for the pages end up: named after what pins them, so that a new pin is a new folder.
node_tools=$cache/node-$(cksum <"$root/tests/web/package-lock.json" | tr ' ' -)

has_node() {
  local version
  command -v npm >/dev/null && version=$(node --version 2>/dev/null) || return 1
  version=${version#v}
  ((${version%%.*} >= node_major_min))
}

need_node() {
  packages_for node
  has_node || die 4 "Node $node_major_min or newer is needed with npm. Run: apt-get install -y nodejs npm"
}

# fetch_node DESTINATION COMMAND…: runs npm in a folder beside, and puts it in place only when complete.
fetch_node() {
  local destination=$1 half=$1.half
  shift
  need_node
  "$@" "$half" >&2 || die 1 "npm could not fetch what ${destination##*/} needs; it is tried again on the next run."
  chmod -R a+rX "$half"
  rm -rf "$destination"
  mv "$half" "$destination"
}

npm_opencode() {
  rm -rf "$1"
  mkdir -p "$1/bin"
  npm install --prefix "$1" --no-audit --no-fund --loglevel=error "opencode-ai@$opencode_version" </dev/null
  local native=../node_modules/opencode-ai/bin/opencode.exe
  # Without install scripts the program stays in the package of its platform.
  if ! grep -q ELF <(head -c 4 "$1/bin/$native" 2>/dev/null); then
    native=$(cd "$1/bin" && find ../node_modules -path '*/opencode-linux-*/bin/opencode' | sort | head -n 1)
  fi
  ln -sfn "$native" "$1/bin/opencode"
}

need_opencode() {
  [[ -x $opencode_home/bin/opencode ]] && return
  say "Fetching opencode $opencode_version"
  fetch_node "$opencode_home" npm_opencode
}

npm_tools() {
  rm -rf "$1"
  mkdir -p "$1"
  cp "$root/tests/web/package.json" "$root/tests/web/package-lock.json" "$1/"
  npm ci --prefix "$1" --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null
}

need_node_tools() {
  need_node
  [[ -d $node_tools/node_modules ]] && return
  say 'Fetching the tools of the browser tests'
  fetch_node "$node_tools" npm_tools
  ln -sfn "$node_tools" "$cache/node"
}
