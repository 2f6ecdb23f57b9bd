// The daemon as a user unit of systemd: man 5 systemd.service, systemd.exec, systemd.unit.

import * as path from "node:path";
import { faults } from "../contract/faults.ts";
import { shellWord } from "../contract/shell.ts";
import { logFile, startReport } from "./paths.ts";
import type { Manager, Order, Step } from "./service.ts";

const unit = "port-daddy.service";

export function systemd(configHome: string): Manager {
  const directory = path.join(configHome, "systemd/user");
  return {
    name: "systemd",
    noun: "unit",
    file: path.join(directory, unit),
    text,
    settingsIn,
    programIn: (text) => unquoted(valuesIn(text, /^ExecStart="((?:[^"\\]|\\.)*)"/s)[0]?.[1]),
    objection: ({ command: [program = ""] }) =>
      // Of the program alone it takes no escapes.
      /["'\\]/.test(program) ? "systemd runs no program whose path has a quote in it" : undefined,
    reach: systemctl("show-environment").words,
    enable: [systemctl("daemon-reload"), systemctl("enable", unit)],
    // A service that failed too often is not started again until that is forgotten.
    start: [{ ...systemctl("reset-failed", unit), mayFail: true }, systemctl("start", unit)],
    stop: [{ ...systemctl("stop", unit), mayFail: true }],
    links: [path.join(directory, "default.target.wants", unit)],
    disable: [{ ...systemctl("disable", unit), mayFail: true }],
    forget: [
      systemctl("daemon-reload"),
      { ...systemctl("reset-failed", unit), mayFail: true }, // It is unknown by now, unless it had failed.
    ],
    pid: { words: systemctl("show", "--property=MainPID", "--value", unit).words, read: Number },
    show: `systemctl --user status ${unit}`,
    ends: "with your last session",
    // man 3 sd_booted, man 1 loginctl.
    linger: {
      machine: "/run/systemd/system",
      mark: (user) => `/var/lib/systemd/linger/${user}`,
      enable: (user) => ["loginctl enable-linger", ...(user === undefined ? [] : [user])].join(" "),
    },
    // Beside the unit, which the next install writes anew.
    allowFiles(count) {
      const beside = shellWord(path.join(directory, `${unit}.d`));
      const write = `printf '[Service]\\nLimitNOFILE=${count}\\n' >${beside}/files.conf`;
      return `mkdir -p ${beside} && ${write} && systemctl --user daemon-reload`;
    },
  };
}

function systemctl(...words: string[]): Step {
  return { words: ["systemctl", "--user", ...words] };
}

/**
 * What is left out: every option that closes parts of the file system, because for a user's manager each takes a user
 * namespace, from which /proc no longer tells whose the sockets of the user's other processes are; and
 * MemoryDenyWriteExecute, because the JavaScript engine compiles.
 */
function text({ command: [program = "", ...args], settings }: Order): string {
  const home = settings["PORT_DADDY_HOME"]!;
  // What is refused is refused again: input that is wrong, and what somebody else has.
  const lasting = [faults.invalid_input.exit, faults.held.exit];
  return `# Written by \`port-daddy install\`, and anew by the next one. Changes of your own: systemctl --user edit ${unit}
[Unit]
Description=port-daddy: ports, locks and messages for those who work on this machine
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=notify
ExecStart=${[quoted(program), ...args.map(argument)].join(" ")}
${Object.entries(settings)
  .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  .join("\n")}
WorkingDirectory=/
UMask=0077
StandardOutput=file:${escaped(startReport(home))}
StandardError=append:${escaped(logFile(home))}
Restart=on-failure
RestartPreventExitStatus=${lasting.join(" ")}
TimeoutStopSec=15

NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
`;
}

function settingsIn(text: string): Record<string, string> {
  const lines = valuesIn(text, /^Environment="(\w+)=(.*)"$/s);
  return Object.fromEntries(lines.map(([, name, value]) => [name!, unquoted(value)!]));
}

/** The lines that match. Only a line feed ends one: JavaScript's own idea of lines ends them at U+2028 as well. */
function valuesIn(text: string, line: RegExp): RegExpExecArray[] {
  return text
    .split("\n")
    .map((each) => line.exec(each))
    .filter((found) => found !== null);
}

/** A percent sign begins a specifier. */
function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}

function quoted(text: string): string {
  return `"${escaped(text.replace(/["\\]/g, "\\$&"))}"`;
}

/** Unlike in the program's path, a dollar sign begins a variable. */
function argument(text: string): string {
  return /^[\w/.-]+$/.test(text) ? text : quoted(text.replaceAll("$", "$$$$"));
}

function unquoted(text: string | undefined): string | undefined {
  return text?.replaceAll("%%", "%").replace(/\\(.)/gs, "$1");
}
