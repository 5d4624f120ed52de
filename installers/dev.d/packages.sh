# shellcheck shell=bash
# System packages, by Debian's names.

declare -A packages=(
  [build]='build-essential ca-certificates git libwebkit2gtk-4.1-dev pkg-config'
  [node]='nodejs npm'
  [test]='at-spi2-core chromium dbus dbus-x11 desktop-file-utils dunst fonts-dejavu-core gnome-keyring imagemagick iproute2
    libfaketime
    libnotify-bin libsecret-tools openbox procps python3 python3-dbus python3-dbusmock shellcheck strace util-linux webkit2gtk-driver
    wmctrl xdotool xfce4-panel xvfb'
  [check]='desktop-file-utils'
  [bench]='nginx'
)

# packages_for PURPOSE…: installs what is missing for these purposes, without questions.
packages_for() {
  local purpose wanted=() missing=()
  for purpose; do
    [[ $purpose == node ]] && has_node && continue
    read -ra more <<<"${packages[$purpose]//$'\n'/ }"
    wanted+=("${more[@]}")
  done
  ((${#wanted[@]})) || return 0
  if ! command -v dpkg-query >/dev/null; then
    say "This is not a Debian system: what these packages hold has to be there already: ${wanted[*]}"
    return 0
  fi
  mapfile -t missing < <(packages_missing "${wanted[@]}")
  ((${#missing[@]})) || return 0
  packages_install "${missing[@]}"
}

packages_missing() {
  local installed
  # Unknown names are an error of dpkg-query's and simply missing here.
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null \
    | awk '$1 == "installed" { for (i = 2; i <= NF; i++) { gsub(",", "", $i); print $i } }')
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed") || true
}

packages_install() {
  local apt=(apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq)
  # The programs are wanted, not services: in run level 1 Debian's packages start none.
  local become=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
      die 4 "Packages are missing. Run: sudo apt-get install -y --no-install-recommends $*"
    fi
    become=(sudo -n "${become[@]}")
  fi
  say "Installing $*"
  "${become[@]}" "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >&2 && return
  # The lists may be absent or older than the mirror.
  "${become[@]}" "${apt[@]}" update </dev/null >&2 || true
  "${become[@]}" "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >&2 \
    || die 1 "The packages could not be installed. Try: apt-get update && apt-get install -y --no-install-recommends $*"
}
