# shellcheck shell=bash
# Debian packages: say what is missing and why, install it, or stop and name the way around. Sourced by setup*.

say() { printf 'goldsmith: %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif [ -t 0 ]; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

why_not_installable() {
  if ! command -v apt-get >/dev/null; then
    echo "this system has no apt-get"
  elif [ "$(id -u)" -eq 0 ]; then
    return 0
  elif ! command -v sudo >/dev/null; then
    echo "you are not root and there is no sudo"
  elif [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
    echo "you are not root and sudo wants a password"
  fi
}

apt_lists_present() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

apt_install() {
  local options=(install --yes --no-install-recommends --quiet=2 -o Dpkg::Use-Pty=0)
  if ! apt_lists_present; then
    as_root apt-get update --quiet=2
  elif as_root apt-get "${options[@]}" "$@" >/dev/null 2>&1; then
    return
  else
    say "the package lists are out of date, fetching new ones"
    as_root apt-get update --quiet=2
  fi
  as_root apt-get "${options[@]}" "$@" >/dev/null
}

# install_packages WAY_AROUND "package: reason"...
install_packages() {
  local way_around=$1 obstacle entry
  shift
  [ $# -gt 0 ] || return 0
  obstacle=$(why_not_installable)
  if [ -n "$obstacle" ]; then
    {
      say "these are missing and cannot be installed, since $obstacle:"
      printf '  %s\n' "$@"
      echo "$way_around"
    } >&2
    return 1
  fi
  say "installing from the distribution:"
  printf '  %s\n' "$@"
  local names=()
  for entry in "$@"; do names+=("${entry%%:*}"); done
  apt_install "${names[@]}" || {
    say "apt-get could not install them; its messages are above" >&2
    return 1
  }
}
