// Where a webhook may go. A name is resolved here, every address it has is checked, and the connection goes to one that
// was: a name that answers differently a moment later leads nowhere else (server-side request forgery, DNS rebinding).

import * as dns from "node:dns/promises";
import * as net from "node:net";
import { Fault } from "../contract/faults.ts";
import type { WebhookAllow } from "../system/destinations.ts";

/** How long a name may take to resolve. */
const resolveMs = 5_000;

export type Resolve = (name: string) => Promise<string[]>;

export type Target = {
  url: URL;
  /** Its addresses, all of them checked: the connection goes to the first that takes it. */
  addresses: string[];
};

export type TargetRules = {
  allow: WebhookAllow | undefined;
  /** Ports of ours: nothing that we send may come back to us. */
  ownPorts: ReadonlySet<number>;
  resolve: Resolve;
};

/** All addresses of a name, as the system resolves it. */
export async function resolveAll(name: string): Promise<string[]> {
  const found = await dns.lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

/** Finds where a URL leads. Throws `invalid_input` where it may not lead there, `unavailable` where nothing resolves. */
export async function findTarget(text: string, rules: TargetRules): Promise<Target> {
  const url = checkUrl(text);
  const name = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const addresses = net.isIP(name) ? [name] : await resolveName(name, rules.resolve);
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  for (const address of addresses) {
    const where = name === address ? "" : `${name} is ${address}: `;
    if (isOurs(address, port, rules)) throw refused(url, `${where}that is the daemon itself`);
    const reason = isAllowed(name, address, rules.allow) ? undefined : refusal(address);
    if (reason !== undefined) throw refused(url, where + reason, allowing(name));
  }
  return { url, addresses };
}

/** Checks where a URL leads today. A name that does not resolve may do so later: it is checked again at each delivery. */
export async function checkTarget(text: string, rules: TargetRules): Promise<void> {
  try {
    await findTarget(text, rules);
  } catch (error) {
    if (!(error instanceof Fault && error.code === "unavailable")) throw error;
  }
}

/** Checks what can be said of a URL without resolving it. Throws `invalid_input`. */
function checkUrl(text: string): URL {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw refused(url, "only http and https are delivered to");
  if (url.username !== "" || url.password !== "")
    throw refused(url, "a user name or password in it would be written down and sent");
  return url;
}

async function resolveName(name: string, resolve: Resolve): Promise<string[]> {
  const inTime = Promise.race([resolve(name), Bun.sleep(resolveMs).then((): string[] => [])]);
  const addresses = await inTime.catch(() => []);
  if (addresses.length > 0) return addresses;
  throw new Fault("unavailable", `The name ${name} cannot be resolved`, {
    details: { host: name },
  });
}

function refused(url: URL, reason: string, hint?: string): Fault {
  return new Fault("invalid_input", `Webhooks may not go to ${url.host}: ${reason}`, {
    details: { field: "url", host: url.host },
    hint,
  });
}

/** What to do for a receiver that is meant to be where it is. */
function allowing(name: string): string {
  return `for a receiver of your own: export PORT_DADDY_WEBHOOK_ALLOW=${name}, then: port-daddy restart`;
}

/** Nothing that we send may come back to us; a connection to no address in particular goes to this machine. */
function isOurs(address: string, port: number, { ownPorts }: TargetRules): boolean {
  const plain = embeddedIpv4(address) ?? address;
  return ownPorts.has(port) && (loopback.check(plain, familyOf(plain)) || unspecified.has(plain));
}

function isAllowed(name: string, address: string, allow: WebhookAllow | undefined): boolean {
  if (allow === undefined) return false;
  return allow.hosts.has(name) || allow.addresses.check(address, familyOf(address));
}

/** Why an address is not one of the public internet's; `undefined` where it is. */
export function refusal(address: string): string | undefined {
  const embedded = embeddedIpv4(address);
  if (embedded !== undefined) return refusal(embedded);
  if (address.includes("%")) return "it is of one network interface alone";
  const family = familyOf(address);
  const known = ranges.find(({ list }) => list.check(address, family));
  if (known) return known.what;
  const isGlobal = family === "ipv4" || globalUnicast.check(address, "ipv6");
  return isGlobal ? undefined : "it is no address of the public internet";
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return net.isIPv6(address) ? "ipv6" : "ipv4";
}

/** IPv4 within IPv6: mapped and compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056). */
function embeddedIpv4(address: string): string | undefined {
  if (!net.isIPv6(address)) return undefined;
  const groups = expand(address);
  const isZero = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  const [high, low] = [groups[6]!, groups[7]!];
  if (isZero(0, 5) && (groups[5] === 0xffff || (groups[5] === 0 && high !== 0)))
    return dotted(high, low);
  if (isZero(0, 4) && groups[4] === 0xffff && groups[5] === 0) return dotted(high, low);
  if (groups[0] === 0x64 && groups[1] === 0xff9b && isZero(2, 6)) return dotted(high, low);
  if (groups[0] === 0x2002) return dotted(groups[1]!, groups[2]!);
  return undefined;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight groups of an IPv6 address. */
export function expand(address: string): number[] {
  // The URL parser writes every form of it in hexadecimal groups.
  const text = new URL(`http://[${address.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [front, back] = [parse(head), tail === undefined ? [] : parse(tail)];
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}

type Range = { what: string; list: net.BlockList };

function range(what: string, ...networks: string[]): Range {
  const list = new net.BlockList();
  for (const network of networks) {
    const [address = "", prefix = ""] = network.split("/");
    list.addSubnet(address, Number(prefix), familyOf(address));
  }
  return { what, list };
}

/** The IANA special-purpose address registries (RFC 6890), as far as anything could answer there. */
const ranges: Range[] = [
  range("it is this machine's loopback", "127.0.0.0/8", "::1/128"),
  range("it is no address to send to", "0.0.0.0/8", "::/128", "192.0.0.0/24", "100::/64"),
  range(
    "it is a private address",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fec0::/10",
  ),
  range(
    "it is link-local, where clouds keep their metadata",
    "169.254.0.0/16",
    "168.63.129.16/32",
    "fe80::/10",
  ),
  range("it is in a carrier's shared network", "100.64.0.0/10"),
  range("it is a translator of a local network", "64:ff9b:1::/48"),
  range("it is of segment routing, inside a network", "5f00::/16"),
  range(
    "it is a test network",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "198.18.0.0/15",
    "2001:db8::/32",
    "3fff::/20",
    "2001:2::/48",
  ),
  range(
    "it is multicast, broadcast or reserved",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "ff00::/8",
    "192.88.99.0/24",
    "2001::/23",
  ),
];

/** All that is given out of IPv6 (RFC 4291 2.4). */
const globalUnicast = range("", "2000::/3").list;

const loopback = ranges[0]!.list;
const unspecified = new Set(["0.0.0.0", "::"]);
