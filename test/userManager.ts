// A real systemd of a user, in namespaces of its own: as on that user's machine, with the compiled binary in ~/own.

import * as fs from "node:fs";
import * as path from "node:path";
import { binary, Home, type Result } from "./home.ts";

const inNamespaces = "unshare --mount --pid --fork --mount-proc --kill-child";

/** Where cgroups are made: of the one hierarchy, or of those of a machine that still has the old ones. */
const cgroups = ["", "systemd", "unified"]
  .map((each) => path.join("/sys/fs/cgroup", each))
  .filter((each) => fs.existsSync(path.join(each, "cgroup.procs")));

/** What every script here can do. */
const prelude = `
set -eu
until_so() { # <what> <command…>: tries for some seconds
  what=$1 tries=0; shift
  until "$@"; do
    tries=$((tries + 1)); [ $tries -lt 300 ] || { echo "it did not happen that $what" >&2; exit 9; }
    sleep 0.02
  done
}
answers() { systemctl --user show-environment >/dev/null 2>&1; }
start_manager() {
  /lib/systemd/systemd --user >>~/manager.log 2>&1 & manager=$!
  until_so "the manager answers" answers
}
state() { systemctl --user is-active port-daddy || :; }
is() { [ "$(state)" = "$1" ]; }
main_pid() { systemctl --user show --property=MainPID --value port-daddy; }
daemon() { port-daddy status -j | jq .pid; }
is_other() { port-daddy status -q >/dev/null 2>&1 && [ "$(daemon)" != "$1" ]; }
quietly() { "$@" >/dev/null 2>&1; }
dbus-daemon --session --address="$DBUS_SESSION_BUS_ADDRESS" --fork --nopidfile
`;

/** Runs a script as a user of a machine with systemd, whose manager runs unless told otherwise. */
export async function runAsUser(
  uid: number,
  script: string,
  { withManager = true } = {},
): Promise<Result> {
  await using home = new Home({}, { uid });
  const group = path.basename(home.directory);
  const file = path.join(home.directory, "script");
  fs.writeFileSync(file, `${prelude}${withManager ? "start_manager\n" : ""}${script}`);
  const machine = path.join(home.directory, "machine");
  fs.writeFileSync(
    machine,
    `set -eu
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/system /run/user/${uid} own
    chmod 700 /run/user/${uid}
    ln ${binary} own/port-daddy 2>/dev/null || cp ${binary} own/port-daddy
    chown -R ${uid}:${uid} /run/user/${uid} own script
    for root in ${cgroups.join(" ")}; do
      mkdir $root/${group}
      chown -R ${uid}:${uid} $root/${group}
      echo 0 >$root/${group}/cgroup.procs
    done
    export XDG_RUNTIME_DIR=/run/user/${uid} DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${uid}/bus
    export PATH=$HOME/own:$PATH
    exec setpriv --reuid=${uid} --regid=${uid} --clear-groups sh script`,
  );
  try {
    return await home.shell(`exec ${inNamespaces} sh ${machine}`);
  } finally {
    const made = cgroups
      .map((root) => path.join(root, group))
      .filter((each) => fs.existsSync(each));
    for (const each of made)
      Bun.spawnSync(["find", each, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
  }
}

/** Whether a user's systemd can be run here at all: that takes root, its programs, and cgroups that can be made. */
export async function canRunAsUser(uid: number): Promise<boolean> {
  if (process.getuid?.() !== 0 || !fs.existsSync("/lib/systemd/systemd")) return false;
  const programs = ["unshare", "setpriv", "systemctl", "dbus-daemon", "jq"];
  if (programs.some((program) => Bun.which(program) === null) || cgroups.length === 0) return false;
  return (await runAsUser(uid, "systemd-run --user --quiet --wait true")).code === 0;
}
