// Where the daemon sends what it has to say, as settings name it.

import type * as net from "node:net";
import { integer, text, type Field } from "../contract/fields.ts";

/** Where webhooks may go beside the public internet: names, and networks of addresses. */
export type WebhookAllow = { hosts: ReadonlySet<string>; addresses: net.BlockList };

export const webhookAllow: Field<WebhookAllow> = {
  ...text({ summary: "Hosts and networks", max: 4000 }),
  expects:
    "host names, addresses or networks with commas between them, such as ci.local,127.0.0.1,10.0.0.0/8",
  accept(value) {
    const allowed = { hosts: new Set<string>(), addresses: new (nodeNet().BlockList)() };
    const isAllFine = String(value)
      .split(",")
      .every((entry) => allow(allowed, entry.trim()));
    return isAllFine ? allowed : undefined;
  },
};

/** Takes an entry in; false where it is none. */
function allow(to: { hosts: Set<string>; addresses: net.BlockList }, entry: string): boolean {
  const [, address = "", prefix] = /^\[?([^\]/]+)\]?(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const family = nodeNet().isIP(address);
  if (entry.includes("%") || entry.startsWith("[") !== entry.endsWith("]")) return false;
  if (family === 0) {
    const isName =
      prefix === undefined && /^(?![\d.]+$|0x)[\w-]*\w[\w-]*(\.[\w-]+)*$/.test(address);
    if (isName) to.hosts.add(address.toLowerCase());
    return isName;
  }
  const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
  if (bits > (family === 4 ? 32 : 128)) return false;
  to.addresses.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
  return true;
}

const udpPort = integer({ summary: "A port", min: 1, max: 65_535 });

/** Where something is sent by UDP: a name or an address, and a port. */
export type UdpTarget = { host: string; port: number };

export const udpTarget: Field<UdpTarget> = {
  ...text({ summary: "A host and a port", max: 260 }),
  expects: "a host and a port, such as localhost:8125 or [::1]:8125",
  accept(value) {
    const [, six, name, digits = ""] =
      /^(?:\[([^\]]+)\]|([\w.-]+)):(\d{1,5})$/.exec(String(value)) ?? [];
    const port = udpPort.accept(udpPort.read(digits), "");
    const host = six === undefined ? name : nodeNet().isIPv6(six) ? six : undefined;
    return host === undefined || port === undefined ? undefined : { host, port };
  },
};

/** Loaded where it is needed: it takes a noticeable part of a command's time. */
function nodeNet(): typeof net {
  return process.getBuiltinModule("node:net");
}
