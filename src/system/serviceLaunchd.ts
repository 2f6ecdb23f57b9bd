// The daemon as an agent of launchd: man 5 launchd.plist, man 1 launchctl.

import * as path from "node:path";
import { logFile, startReport } from "./paths.ts";
import type { Manager, Order, Step } from "./service.ts";

const label = "port-daddy";

export function launchd(userHome: string, uid: number): Manager {
  const file = path.join(userHome, "Library/LaunchAgents", `${label}.plist`);
  const domain = `gui/${uid}`;
  const target = `${domain}/${label}`;
  return {
    name: "launchd",
    noun: "agent",
    file,
    text,
    settingsIn,
    programIn: (text) =>
      /<array>\s*<string>([^<]*)<\/string>/.exec(text)?.slice(1).map(unescaped)[0],
    objection: () => undefined,
    reach: launchctl("print", domain).words,
    enable: [
      { ...launchctl("bootout", target), mayFail: true }, // What is loaded is not read again.
      launchctl("enable", target),
      launchctl("bootstrap", domain, file),
    ],
    start: [launchctl("kickstart", target)],
    stop: [{ ...launchctl("kill", "SIGTERM", target), mayFail: true }],
    links: [],
    disable: [{ ...launchctl("bootout", target), mayFail: true }],
    forget: [],
    pid: {
      words: launchctl("print", target).words,
      read: (output) => Number(/^\s*pid = (\d+)$/m.exec(output)?.[1] ?? 0),
    },
    show: `launchctl print ${target}`,
    ends: "when you log out",
    allowFiles: (count) => `sudo launchctl limit maxfiles ${count} unlimited`,
  };
}

function launchctl(...words: string[]): Step {
  return { words: ["launchctl", ...words] };
}

function text({ command, settings }: Order): string {
  const home = settings["PORT_DADDY_HOME"]!;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by \`port-daddy install\`, and anew by the next one. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${label}</string>
  <key>ProgramArguments</key>
  <array>
${command.map((word) => `    <string>${escaped(word)}</string>`).join("\n")}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries(settings)
  .map(([name, value]) => `    <key>${name}</key>\n    <string>${escaped(value)}</string>`)
  .join("\n")}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>ExitTimeOut</key>
  <integer>15</integer>
  <key>Umask</key>
  <integer>${0o077}</integer>
  <key>WorkingDirectory</key>
  <string>/</string>
  <key>StandardOutPath</key>
  <string>${escaped(startReport(home))}</string>
  <key>StandardErrorPath</key>
  <string>${escaped(logFile(home))}</string>
</dict>
</plist>
`;
}

function settingsIn(text: string): Record<string, string> {
  const lines = text.matchAll(/<key>(PORT_DADDY_\w+)<\/key>\s*<string>([^<]*)<\/string>/g);
  return Object.fromEntries([...lines].map(([, name, value]) => [name!, unescaped(value!)]));
}

const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" } as const;

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => entities[character as keyof typeof entities]);
}

function unescaped(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
