#!/bin/sh
# Builds port-daddy from this checkout and installs it to ~/.local/bin, or to $PREFIX/bin.
# Needs Node and npm; fetches the rest, pinned, into this checkout's node_modules.
set -eu

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ -f "$checkout/build.ts" ] || fail "run it from a checkout: sh install.sh"
command -v npm >/dev/null 2>&1 || fail "npm is missing; install Node.js with npm first, for instance: apt-get install npm"
[ -n "${PREFIX:-}${HOME:-}" ] || fail "HOME is not set; say where to install: PREFIX=/some/dir sh install.sh"

prefix=${PREFIX:-$HOME/.local}
target=$prefix/bin
mkdir -p -- "$target" 2>/dev/null || fail "$target cannot be made; name another place: PREFIX=/some/dir sh install.sh"
target=$(CDPATH='' cd -- "$target" && pwd)
[ -w "$target" ] || fail "$target is not writable; name another place: PREFIX=/some/dir sh install.sh"

cd -- "$checkout"
log=$(mktemp)
new=$target/.port-daddy.$$
trap 'rm -f -- "$log" "$new"' EXIT
trap 'exit 130' INT TERM

quietly() {
  "$@" >"$log" 2>&1 || {
    cat -- "$log" >&2
    fail "this failed: $*"
  }
}

printf 'Fetching what the build needs ...\n'
quietly npm ci --no-audit --no-fund
bun=node_modules/.bin/bun
# Where npm was told to run no install scripts, the pinned Bun is there all the same but not yet in its place.
"$bun" --version >/dev/null 2>&1 || quietly node node_modules/bun/install.js

printf 'Building ...\n'
quietly "$bun" build.ts --outfile "$new"
version=$("$new" version --quiet) || fail "the binary that was built does not run on this machine"
mv -f -- "$new" "$target/port-daddy"
ln -sf -- port-daddy "$target/pd"
printf 'Installed port-daddy %s to %s (pd is short for it).\n' "$version" "$target/port-daddy"

case ":$PATH:" in
*":$target:"*) command=port-daddy ;;
*)
  # shellcheck disable=SC2016 # $PATH is for the reader's shell to expand.
  printf 'To type its name alone, add this line to the profile of your shell: export PATH="%s:$PATH"\n' "$target"
  command=$target/port-daddy
  ;;
esac
printf 'Next:\n%s claim myapp:api\n' "$command"
