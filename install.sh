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
  # What people tell these tools for their own use.
  unset TAR_OPTIONS GZIP

  choose_releases
  [ $# = 0 ] || fail "it takes no arguments; say where to install: $(again PREFIX=/some/dir)"
  choose_target
  checkout=$(find_checkout)
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

# Prints the command that runs this script again as it was run, with a PREFIX of its own if one is given.
again() {
  setting=${1:-}
  [ -n "$setting" ] || [ -z "${PREFIX:-}" ] || setting=PREFIX=$(word "$PREFIX")
  [ -z "${PORT_DADDY_RELEASES:-}" ] || setting="PORT_DADDY_RELEASES=$(word "$releases")${setting:+ $setting}"
  if is_file; then
    printf '%ssh %s\n' "${setting:+$setting }" "$(word "$script")"
  else
    reader='curl -fsSL'
    have curl || reader='wget -qO-'
    printf '%s %s | %ssh\n' "$reader" "$(word "$releases/install.sh")" "${setting:+$setting }"
  fi
}

# Whether this script is read from a file. What reads it from a pipe has a name of its own.
is_file() { [ "${script##*/}" = install.sh ] && [ -f "$script" ]; }

# Prints a text as a word of a shell.
word() {
  case $1 in
  '' | *[!A-Za-z0-9_./:@+,-]*) printf "'%s'\n" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")" ;;
  *) printf '%s\n' "$1" ;;
  esac
}

have() { command -v "$1" >/dev/null 2>&1; }

# Sets $releases, where releases are.
choose_releases() {
  releases=${PORT_DADDY_RELEASES:-$latest}
  releases=${releases%/}
  case $releases in
  https://?* | http://?* | file://?*) ;;
  *) fail "PORT_DADDY_RELEASES must be a URL that begins with https://, http:// or file://, not '$releases'" ;;
  esac
}

# Sets $prefix, and $target, the directory that the binary goes into.
choose_target() {
  [ -n "${PREFIX:-}${HOME:-}" ] || fail "HOME is not set; say where to install: $(again PREFIX=/some/dir)"
  prefix=${PREFIX:-$HOME/.local}
  target=$prefix/bin
  mkdir -p -- "$target" 2>/dev/null || fail "$target cannot be made; name another place: $(again PREFIX=/some/dir)"
  prefix=$(CDPATH='' cd -- "$prefix" && pwd)
  target=$prefix/bin
  [ -w "$target" ] || fail "$target is not writable; name another place: $(again PREFIX=/some/dir)"
  [ ! -d "$target/port-daddy" ] || fail "$target/port-daddy is a directory; name another place: $(again PREFIX=/some/dir)"
}

# Prints the checkout that this script lies in. Read from a pipe it lies nowhere, whatever the current directory holds:
# nobody's sources are built because somebody happened to stand among them.
find_checkout() {
  is_file || return 0
  directory=$(CDPATH='' cd -- "$(dirname -- "$script")" && pwd)
  [ ! -f "$directory/build.ts" ] || printf '%s\n' "$directory"
}

# Makes $staging, where everything is put together: in the target, so that a rename is all that is left to do, and so
# that what was tried there runs there too. However this script ends, it is gone.
stage() {
  child='' watcher='' staging='' ending=TERM
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  staging=$(mktemp -d "$target/.port-daddy.XXXXXX" 2>/dev/null) ||
    fail "nothing can be written to $target; name another place: $(again PREFIX=/some/dir)"
  new=$staging/port-daddy
  said=$staging/said
  log=$staging/log
}

clean_up() {
  trap '' HUP INT TERM
  for process in $watcher $child; do
    kill -"$ending" "$process" 2>/dev/null || :
    wait "$process" 2>/dev/null || :
  done
  [ -z "$staging" ] || rm -rf -- "$staging"
}

# Runs a command that takes its time. A signal to this script, of which a command in the foreground would know nothing,
# ends both at once.
patiently() {
  ending=TERM
  "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  child=''
  return "$code"
}

# Runs a program that answers in a moment, unless something is wrong with it: after ten seconds it is killed.
briefly() {
  ending=KILL # What is wrong with it may be that it listens to nothing less.
  "$@" </dev/null &
  child=$!
  (
    for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done
    kill -KILL "$child"
  ) >/dev/null 2>&1 &
  watcher=$!
  code=0
  wait "$child" 2>/dev/null || code=$?
  # A shell that has just begun may miss any other signal.
  kill -KILL "$watcher" 2>/dev/null || :
  wait "$watcher" 2>/dev/null || :
  child='' watcher=''
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
  download "$releases/SHA256SUMS" "$staging/SHA256SUMS" 64 'a list of checksums'
  # A line is a sum and a name, however it ends. The name brings the version, so that "latest" is a URL like any other.
  LC_ALL=C tr -d '\r' <"$staging/SHA256SUMS" |
    LC_ALL=C sed -n 's/^\([0-9a-f]\{64\}\) [ *]\(port-daddy-[0-9A-Za-z.+-]*\.tar\.gz\)$/\1 \2/p' >"$staging/sums"
  [ -s "$staging/sums" ] ||
    fail "$releases/SHA256SUMS holds no checksums of port-daddy, but perhaps a page to sign in at; nothing was installed"
  line=$(sed -n "/-$platform\.tar\.gz\$/p" "$staging/sums" | head -n 1)
  [ -n "$line" ] || fail "the release at $releases has no archive for $platform; nothing was installed"
  archive=${line#* }
  printf 'Downloading %s ...\n' "$archive"
  download "$releases/$archive" "$staging/$archive" 200000 'an archive of port-daddy'

  sum=$(sum_of "$staging/$archive")
  [ "$sum" = "${line%% *}" ] ||
    fail "the checksum of $archive is not the one in SHA256SUMS: it was cut off or changed on its way, and nothing was installed; try again: $(again)"
  member=${archive%.tar.gz}/port-daddy
  tar -xzf "$staging/$archive" -C "$staging" "$member" ||
    fail "$archive cannot be unpacked: it holds no $member, $target is full, or tar and gzip are missing; nothing was installed"
  rm -f -- "$staging/$archive"
  mv -f -- "$staging/$member" "$new"
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
  MINGW*-* | MSYS*-* | CYGWIN*-*) fail "there is no release for Windows itself; run this within WSL" ;;
  *) fail "there is no release for $system on $machine, only for Linux and macOS on x64 and arm64" ;;
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
    fail "$target has $((free / 1000)) MB left and this takes 200; free some, or name another place: $(again PREFIX=/some/dir)"
}

# URL FILE KILOBYTES KIND. What holds more than that is not what it is taken for, and might fill the disk.
download() {
  url=$1 file=$2 most=$3 kind=$4
  if have curl; then
    set -- --silent
    [ ! -t 2 ] || [ "$most" -lt 1000 ] || set -- --progress-bar
    # Whatever ~/.curlrc says. A server that falls silent is given up, and one that was asked in secret may not send us
    # on into the open.
    set -- curl -q -fSL "$@" --globoff --proto-redir "=https,${url%%:*}" --connect-timeout 20 --speed-limit 1000 --speed-time 30 -o "$file" "$url"
  elif have wget; then
    # GNU's tries twenty times and waits a quarter of an hour each; others know no flags for that, and no ~/.wgetrc.
    : >"$staging/wgetrc"
    case $(wget --version 2>/dev/null) in
    *GNU*) set -- env WGETRC="$staging/wgetrc" wget --no-verbose --output-file="$log" --tries=2 --timeout=30 -O "$file" "$url" ;;
    *) set -- wget -q -O "$file" "$url" ;;
    esac
  else
    fail "neither curl nor wget is there to download with; install one first, for instance: apt-get install curl"
  fi
  code=0
  : >"$log"
  patiently within "$most" "$@" || code=$?
  [ ! -f "$file" ] || [ "$(($(wc -c <"$file")))" -lt "$((most * 1024))" ] ||
    fail "$url holds more than $most kB, so it is not $kind; nothing was installed"
  [ "$code" = 0 ] || {
    cat -- "$log" >&2
    fail "$url could not be downloaded, for the reason above; nothing was installed"
  }
}

# Becomes a command that can write no file of more kilobytes than that, and is told so rather than killed.
within() {
  trap '' XFSZ
  # In blocks of 512 bytes; where the shell counts in 1024, there is twice the room.
  [ "$(ulimit -f)" != unlimited ] || ulimit -f "$(($1 * 2))"
  shift
  exec "$@"
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

# Sets $version.
try_out() {
  code=0
  briefly in_staging ./port-daddy --version >"$said" 2>"$log" || code=$?
  version=$(version_in "$said")
  [ -z "$version" ] || return 0
  cat -- "$log" >&2
  case $code in
  132) why='its processor is too old for it' ;;
  137) why='it said nothing for ten seconds' ;;
  *) why="it ended with $code" ;;
  esac
  [ ! -s "$log" ] || why='for the reason above'
  case ${platform:-} in *-musl) why="$why; it needs the C++ library: apk add libstdc++" ;; esac
  fail "$source does not run on this machine, and nothing was installed: $why"
}

# Shells take a file that the kernel does not run for a script: what that might write goes with the rest.
in_staging() {
  cd -- "$staging"
  exec "$@"
}

# Prints the version in what a program said when it was asked for it.
version_in() { sed -n '1s/^port-daddy v\{0,1\}\([0-9][0-9A-Za-z.+-]*\)$/\1/p' "$1"; }

put_in_place() {
  before=''
  if [ -f "$target/port-daddy" ]; then
    briefly "$target/port-daddy" --version >"$said" 2>/dev/null || :
    before=$(version_in "$said")
    before=${before:-one that did not tell its version}
  fi
  chmod 755 "$new"
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

# SHELL DIRECTORY FILE [LINK]. Never a reason to fail: what counts is installed. It is the same for everybody, whatever
# this shell's settings and rights.
completion() {
  [ -d "$2" ] && [ -w "$2" ] || return 0
  briefly env -i HOME="${HOME:-/}" "$target/port-daddy" completions "$1" >"$staging/completion" 2>/dev/null || return 0
  chmod 644 "$staging/completion"
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

  command=port-daddy
  first=$(command -v port-daddy) || first=''
  case $first in
  '') tell_path 'To type its name alone' ;;
  */*)
    [ "$(place_of "$first")" = "$(place_of "$target/port-daddy")" ] || {
      printf 'Another port-daddy comes first in your PATH: %s\n' "$first"
      tell_path 'To have this one instead'
    }
    ;;
  esac
  tell_next
}

place_of() { (CDPATH='' cd -- "$(dirname -- "$1")" && pwd -P); }

# Sets $command, by which this shell finds the program, and says what it takes that the name is enough.
tell_path() {
  command=$(word "$target/port-daddy")
  # No PATH can hold a directory with a colon in its name.
  case $target in *:*) return 0 ;; esac
  # shellcheck disable=SC2016 # $PATH is for the reader's shell to expand.
  line="export PATH=$(word "$target"):"'"$PATH"'
  # shellcheck disable=SC2088 # These are for the reader's eyes.
  case ${SHELL:-} in
  */bash) profile='~/.bashrc' ;;
  */zsh) profile='~/.zshrc' ;;
  */fish) profile='~/.config/fish/config.fish' line="fish_add_path $(word "$target")" ;;
  *) profile='the profile of your shell' ;;
  esac
  printf '%s, add this line to %s:\n%s\n' "$1" "$profile" "$line"
}

tell_next() {
  # Elsewhere than on this machine there is nothing to restart.
  if ! briefly env PORT_DADDY_URL= "$target/port-daddy" version >"$said" 2>"$log"; then
    printf 'Before it can be of use, see to this:\n'
    cat -- "$log"
    return 0
  fi
  # Two lines, `port-daddy VERSION` and `daemon VERSION, pid N`.
  own=$(sed -n 's/^port-daddy  *//p' "$said")
  running=$(sed -n 's/^daemon  *\(.*\), pid [0-9]*$/\1/p' "$said")
  if [ -n "$running" ] && [ "$running" != "$own" ]; then
    printf 'The daemon that runs is still %s. To put the new one in force:\n%s restart\n' "$running" "$command"
  elif [ -z "$before" ]; then
    printf 'Next:\n%s claim myapp:api\n' "$command"
  fi
}

main "$0" "$@"
