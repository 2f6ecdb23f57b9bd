#!/bin/sh
# What `npm test` runs: installs what the tests need, builds the binary, runs every test, checks the generated docs.
# The last line is `N passed, N failed` (`, N skipped`).
set -eu
cd -- "$(dirname -- "$0")/.."

bun=node_modules/.bin/bun
# npm leaves a lock file of its own in node_modules; an older one than ours means that packages have changed.
if [ ! -x "$bun" ] || [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
  npm ci --no-audit --no-fund
fi
"$bun" --version >/dev/null 2>&1 || node node_modules/bun/install.js

# What tests run for real, from Debian's packages: browser, shells, service manager. Without one its tests count as
# skipped.
missing=
for program in chromium-headless-shell fish zsh jq python3 dbus-daemon busybox curl wget; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
command -v systemctl >/dev/null 2>&1 || missing="$missing systemd"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  # shellcheck disable=SC2086 # One word a package.
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null ||
    printf 'could not be installed:%s\n' "$missing" >&2
fi

# Prometheus is unpacked rather than installed: its package would start it as a service of the machine, and bring what
# its web pages need. What was fetched is kept.
prometheus=dist/prometheus
fetch_prometheus() {
  mkdir -p "$prometheus" &&
    (cd "$prometheus" && rm -f -- *.deb && apt-get download -qq prometheus && dpkg-deb -x -- *.deb . && rm -- *.deb)
}
if ! command -v prometheus >/dev/null 2>&1 && [ ! -x "$prometheus/usr/bin/prometheus" ] && command -v apt-get >/dev/null 2>&1; then
  fetch_prometheus 2>/dev/null || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch_prometheus 2>/dev/null; } ||
    printf 'could not be fetched: prometheus\n' >&2
fi

"$bun" build.ts
"$bun" test/docs/tables.ts

report=dist/junit.xml
rm -f "$report"
status=0
"$bun" test --parallel=4 --timeout 30000 --reporter=junit --reporter-outfile="$report" "$@" || status=$?
[ -f "$report" ] || {
  printf '0 passed, 1 failed\n'
  exit 1
}

# The first line with counts is the sum of all: <testsuites … tests="12" … failures="0" skipped="0" …>.
count() { sed -n "s/^<testsuites.* $1=\"\([0-9]*\)\".*/\1/p" "$report" | head -n 1; }
tests=$(count tests) failures=$(count failures) skipped=$(count skipped)
passed=$((tests - failures - skipped))
[ "$status" = 0 ] || [ "$failures" -gt 0 ] || failures=1
printf '%s passed, %s failed' "$passed" "$failures"
[ "$skipped" = 0 ] || printf ', %s skipped' "$skipped"
printf '\n'
exit "$status"
