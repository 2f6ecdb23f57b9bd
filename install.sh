#!/bin/sh
# Installs port-daddy to ~/.local/bin, or to $PREFIX/bin; run again, it replaces an older one.
#
#   sh install.sh                      in a checkout: builds it from the sources, for which it needs Node and npm
#   curl -fsSL URL/install.sh | sh     anywhere else: downloads the release for this machine and checks its sum
#
# $PORT_DADDY_RELEASES is where the releases are: the URL under which SHA256SUMS and the archives lie. One of a certain
# version installs that version, and in a checkout it makes the script download rather than build.
#
# Everything is a function and the last line alone does something, so that half of this script does nothing.

latest=https://github.com/erichowens/port-daddy/releases/latest/download

main() {
  script=$1
  shift
  # Called by its own name, zsh would keep rules of its own for words, patterns and traps.
  [ -z "${ZSH_VERSION:-}" ] || emulate sh
  set -eu
  [ $# = 0 ] || fail "it takes no arguments; say where to install: PREFIX=/some/dir sh install.sh"

  choose_target
  checkout=$(find_checkout "$script")
  stage
  if [ -n "$checkout" ] && [ -z "${PORT_DADDY_RELEASES:-}" ]; then build; else fetch; fi
  try_out
  put_in_place
  complete_in_shells
  tell
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Sets $prefix, and $target, the directory that the binary goes into.
choose_target() {
  [ -n "${PREFIX:-}${HOME:-}" ] || fail "HOME is not set; say where to install: PREFIX=/some/dir sh install.sh"
  prefix=${PREFIX:-$HOME/.local}
  target=$prefix/bin
  mkdir -p -- "$target" 2>/dev/null || fail "$target cannot be made; name another place: PREFIX=/some/dir sh install.sh"
  prefix=$(CDPATH='' cd -- "$prefix" && pwd)
  target=$prefix/bin
  [ -w "$target" ] || fail "$target is not writable; name another place: PREFIX=/some/dir sh install.sh"
  [ ! -d "$target/port-daddy" ] || fail "$target/port-daddy is a directory; name another place: PREFIX=/some/dir sh install.sh"
}

# Prints the checkout that this script lies in. Read from a pipe it lies nowhere, whatever the current directory holds:
# nobody's sources are built because somebody happened to stand among them.
find_checkout() {
  case ${1##*/} in
  install.sh) ;;
  *) return 0 ;;
  esac
  directory=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)
  [ ! -f "$directory/build.ts" ] || printf '%s\n' "$directory"
}

# Makes $staging, where everything is put together: in the target, so that a rename is all that is left to do, and so
# that what was tried there runs there too. However this script ends, it is gone.
stage() {
  child='' staging=''
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  staging=$(mktemp -d "$target/.port-daddy.XXXXXX" 2>/dev/null) ||
    fail "nothing can be written to $target; name another place: PREFIX=/some/dir sh install.sh"
  new=$staging/port-daddy
  log=$staging/log
}

clean_up() {
  trap '' HUP INT TERM
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null || :
    wait "$child" 2>/dev/null || :
  fi
  [ -z "$staging" ] || rm -rf -- "$staging"
}

# Runs a command that takes its time. A signal to this script, of which a command in the foreground would know nothing,
# ends both at once.
patiently() {
  "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  child=''
  return "$code"
}

quietly() {
  patiently "$@" >"$log" 2>&1 || {
    cat -- "$log" >&2
    fail "this failed: $*"
  }
}

build() {
  have npm || fail "npm is missing; install Node.js with npm first, for instance: apt-get install npm"
  cd -- "$checkout"
  printf 'Fetching what the build needs ...\n'
  quietly npm ci --no-audit --no-fund
  bun=node_modules/.bin/bun
  # Where npm was told to run no install scripts, the pinned Bun is there all the same but not yet in its place.
  "$bun" --version >/dev/null 2>&1 || quietly node node_modules/bun/install.js
  printf 'Building ...\n'
  quietly "$bun" build.ts --outfile "$new"
  source='the binary that was built'
}

fetch() {
  platform=$(find_platform)
  enough_space
  releases=${PORT_DADDY_RELEASES:-$latest}
  releases=${releases%/}
  download "$releases/SHA256SUMS" "$staging/SHA256SUMS"
  # A line is a sum and a name. The name brings the version, so that "latest" is a URL like any other.
  line=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]\(port-daddy-[0-9A-Za-z.+-]*-$platform\.tar\.gz\)\$/\1 \2/p" "$staging/SHA256SUMS" | head -n 1)
  [ -n "$line" ] || fail "$releases/SHA256SUMS has no line for $platform; name other releases: PORT_DADDY_RELEASES=URL sh install.sh"
  archive=${line#* }
  printf 'Downloading %s ...\n' "$archive"
  download "$releases/$archive" "$staging/$archive"

  sum=$(sum_of "$staging/$archive")
  [ "$sum" = "${line%% *}" ] ||
    fail "the checksum of $archive is not the one in SHA256SUMS: it was cut off or changed on its way, and nothing was installed; try again"
  member=${archive%.tar.gz}/port-daddy
  tar -xzf "$staging/$archive" -C "$staging" "$member" ||
    fail "$archive cannot be unpacked: it holds no $member, $target is full, or tar and gzip are missing; nothing was installed"
  rm -f -- "$staging/$archive"
  mv -f -- "$staging/$member" "$new"
  chmod 755 "$new"
  # Of what is built elsewhere the signature is not always valid there, and macOS runs nothing without one.
  [ "$(uname -s)" != Darwin ] || codesign --force --sign - "$new" 2>"$log" ||
    fail "codesign cannot sign $archive: $(tail -n 1 "$log")"
  source="the binary of $archive"
}

# Prints the platform by the name that releases give it.
find_platform() {
  system=$(uname -s) machine=$(uname -m)
  # What Rosetta shows as x86_64 can run what is made for the machine.
  [ "$system $machine" != "Darwin x86_64" ] || [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" != 1 ] || machine=arm64
  case $machine in
  x86_64 | amd64) cpu=x64 ;;
  aarch64 | arm64) cpu=arm64 ;;
  *) cpu='' ;;
  esac
  case $system-$cpu in
  Linux-?*) if is_musl; then printf 'linux-%s-musl\n' "$cpu"; else printf 'linux-%s\n' "$cpu"; fi ;;
  Darwin-?*) printf 'darwin-%s\n' "$cpu" ;;
  *) fail "there is no release for $system on $machine, only for Linux and macOS on x64 and arm64; in a checkout it can be built: sh install.sh" ;;
  esac
}

is_musl() {
  case $(ldd --version 2>&1) in
  *musl*) return 0 ;;
  *GNU* | *GLIBC*) return 1 ;;
  esac
  # Either may be there beside the other: Debian packages musl, and Alpine has a loader in glibc's name.
  set -- /lib*/ld-linux*
  [ ! -e "$1" ] || return 1
  set -- /lib/ld-musl-*
  [ -e "$1" ]
}

# For a moment the archive (53 MB) and the binary (113 MB) lie side by side. Where df says nothing, writing will.
enough_space() {
  free=$(df -Pk "$target" 2>/dev/null | sed -n 's/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p') || :
  [ "${free:-200000}" -ge 200000 ] ||
    fail "$target has $((free / 1000)) MB left and this takes 200; free some, or name another place: PREFIX=/some/dir sh install.sh"
}

download() {
  if have curl; then
    # A server that falls silent is given up, and one that was asked in secret may not send us on into the open.
    patiently curl -fsSL --proto-redir "=https,${1%%:*}" --connect-timeout 20 --speed-limit 1000 --speed-time 30 -o "$2" "$1" ||
      fail "$1 could not be downloaded, for the reason above; nothing was installed"
  elif have wget; then
    # GNU's tries twenty times and waits a quarter of an hour each; others know no flags for that.
    tries=''
    case $(wget --version 2>/dev/null) in *GNU*) tries='--tries=2 --timeout=30' ;; esac
    # shellcheck disable=SC2086 # Two words, or none.
    patiently wget -q $tries -O "$2" "$1" || fail "$1 could not be downloaded by wget; nothing was installed"
  else
    fail "neither curl nor wget is there to download with; install one first, for instance: apt-get install curl"
  fi
}

sum_of() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif have openssl; then
    openssl dgst -sha256 <"$1" | sed 's/.*= *//'
  elif have busybox; then
    busybox sha256sum <"$1" | cut -d ' ' -f 1
  else
    fail "no program is there that computes a SHA-256 sum, and nothing is installed unchecked; install one first, for instance: apt-get install coreutils"
  fi
}

# Sets $version. Shells take a file that the kernel does not run for a script: what that might write goes with the rest.
try_out() {
  version=$(cd -- "$staging" && ./port-daddy version --quiet </dev/null 2>"$log") || version=''
  [ -z "$version" ] || return 0
  cat -- "$log" >&2
  why=''
  case ${platform:-} in *-musl) why='; it needs the C++ library: apk add libstdc++' ;; esac
  fail "$source does not run on this machine, for the reason above; nothing was installed$why"
}

put_in_place() {
  before=''
  [ ! -f "$target/port-daddy" ] || before=$("$target/port-daddy" version --quiet </dev/null 2>/dev/null) || before='one that did not run'
  mv -f -- "$new" "$target/port-daddy" || fail "$target/port-daddy cannot be replaced; nothing was installed"
  # Somebody else's pd is left alone.
  short=''
  if [ "$(readlink "$target/pd" 2>/dev/null)" = port-daddy ] || { [ ! -e "$target/pd" ] && ln -sf port-daddy "$target/pd"; }; then
    short=' (pd is short for it)'
  fi
}

# Where shells look for completions, as far as there is such a place.
complete_in_shells() {
  completion bash "$prefix/share/bash-completion/completions" port-daddy pd
  completion zsh "$prefix/share/zsh/site-functions" _port-daddy
  [ -n "${HOME:-}" ] || return 0
  completion zsh "$HOME/.zfunc" _port-daddy
  completion fish "${XDG_CONFIG_HOME:-$HOME/.config}/fish/completions" port-daddy.fish pd.fish
}

# SHELL DIRECTORY FILE [LINK]. Never a reason to fail: what counts is installed.
completion() {
  [ -d "$2" ] && [ -w "$2" ] || return 0
  "$target/port-daddy" completions "$1" </dev/null >"$staging/completion" 2>/dev/null || return 0
  mv -f -- "$staging/completion" "$2/$3" 2>/dev/null || return 0
  [ -z "${4:-}" ] || [ -z "$short" ] || [ -e "$2/$4" ] || ln -sf "$3" "$2/$4" 2>/dev/null || :
}

tell() {
  case $before in
  '') instead='' ;;
  "$version") instead=', again' ;;
  *) instead=", in place of $before" ;;
  esac
  printf 'Installed port-daddy %s to %s%s%s.\n' "$version" "$target/port-daddy" "$instead" "$short"

  first=$(command -v port-daddy) || first=''
  case ":$PATH:" in
  *":$target:"*) command=port-daddy ;;
  *)
    # shellcheck disable=SC2016 # $PATH is for the reader's shell to expand.
    printf 'To type its name alone, add this line to the profile of your shell: export PATH="%s:$PATH"\n' "$target"
    command=$target/port-daddy
    ;;
  esac
  if [ -n "$first" ] && [ "$first" != "$target/port-daddy" ]; then
    printf 'Another port-daddy comes first in your PATH: %s\n' "$first"
    command=$target/port-daddy
  fi

  # Two lines, `port-daddy VERSION` and `daemon VERSION, pid N`. Elsewhere than on this machine there is nothing to restart.
  both=$(PORT_DADDY_URL='' "$target/port-daddy" version </dev/null 2>/dev/null) || both=''
  own=$(printf '%s\n' "$both" | sed -n 's/^port-daddy  *//p')
  running=$(printf '%s\n' "$both" | sed -n 's/^daemon  *\(.*\), pid [0-9]*$/\1/p')
  if [ -n "$running" ] && [ "$running" != "$own" ]; then
    printf 'The daemon that runs is still %s. To put the new one in force:\n%s restart\n' "$running" "$command"
  else
    printf 'Next:\n%s claim myapp:api\n' "$command"
  fi
}

main "$0" "$@"
