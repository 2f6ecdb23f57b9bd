// Sends one delivery of a webhook: signed, to the address that was checked, and reads no more of the answer than is kept.

import { createHmac } from "node:crypto";
import { maxResponseCharacters } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type * as deliveries from "../domain/deliveries.ts";
import type * as webhooks from "../domain/webhooks.ts";
import { findTarget, type Target, type TargetRules } from "./targets.ts";

export type Send = (webhook: webhooks.Row, delivery: deliveries.Row) => Promise<deliveries.Outcome>;

/** How long a receiver may take to answer. */
const answerMs = 10_000;

/** A character takes four bytes at most. */
const maxResponseBytes = maxResponseCharacters * 4;

/** `ca` is a certificate that is trusted beside the system's. */
export function createSend(rules: () => TargetRules, now: () => number, ca?: string): Send {
  return async function send(webhook, delivery) {
    const start = performance.now();
    const deadline = AbortSignal.timeout(answerMs);
    const took = () => Math.round(performance.now() - start);
    try {
      const target = await unlessLate(findTarget(webhook.url, rules()), deadline);
      const headers = headersOf(webhook, delivery, now());
      const response = await post(target, delivery.body, headers, deadline, ca);
      const text = await beginningOf(response);
      return {
        httpStatus: isStatus(response.status) ? response.status : null,
        durationMs: took(),
        response: text,
        error: problemOf(response),
      };
    } catch (error) {
      return { httpStatus: null, durationMs: took(), response: null, error: reasonOf(error) };
    }
  };
}

function unlessLate<T>(work: Promise<T>, deadline: AbortSignal): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    deadline.addEventListener("abort", () => reject(deadline.reason));
  });
  return Promise.race([work, late]);
}

/** Posts to the first of the addresses that takes the connection. */
async function post(
  { url, addresses }: Target,
  body: string,
  headers: Record<string, string>,
  deadline: AbortSignal,
  ca: string | undefined,
): Promise<Response> {
  for (const [at, address] of addresses.entries()) {
    const checked = new URL(url);
    checked.hostname = address.includes(":") ? `[${address}]` : address;
    checked.hash = "";
    // An address that the URL does not take would leave the name in it.
    if (checked.hostname === url.hostname && address !== nameOf(url)) throw new Error("not pinned");
    try {
      return await fetch(checked, {
        method: "POST",
        headers: { ...headers, Host: url.host },
        body,
        redirect: "manual",
        // The certificate is the name's, though the connection goes to its address.
        tls: { serverName: url.hostname.replace(/\.$/, ""), ...(ca !== undefined && { ca }) },
        proxy: false,
        keepalive: false,
        decompress: false,
        signal: deadline,
      } as RequestInit);
    } catch (error) {
      const isLast = at === addresses.length - 1;
      if (isLast || !wasNotReached(error)) throw error;
    }
  }
  throw new Error("a target has an address");
}

function nameOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** Whether nothing was sent, because there was no way to an address or nobody there. */
function wasNotReached(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return /^(ConnectionRefused|FailedToOpenSocket|E(CONNREFUSED|NETUNREACH|HOSTUNREACH|ADDRNOTAVAIL|AFNOSUPPORT|INVAL|ACCES|PERM))$/.test(
    code,
  );
}

/**
 * What a receiver verifies a delivery by: the signature of the body, and the three headers of the Standard Webhooks
 * specification (https://www.standardwebhooks.com), by which it can refuse a replay.
 */
function headersOf(
  { secret }: webhooks.Row,
  { id, event, body }: deliveries.Row,
  now: number,
): Record<string, string> {
  const seconds = String(Math.floor(now / 1000));
  return {
    "Content-Type": "application/json",
    "User-Agent": "port-daddy",
    "X-PortDaddy-Event": event,
    "X-PortDaddy-Delivery": id,
    "X-PortDaddy-Timestamp": String(now),
    "webhook-id": id,
    "webhook-timestamp": seconds,
    ...(secret !== null && {
      "X-PortDaddy-Signature": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
      "webhook-signature": `v1,${createHmac("sha256", standardKey(secret)).update(`${id}.${seconds}.${body}`).digest("base64")}`,
    }),
  };
}

/** Standard Webhooks writes its secrets `whsec_` and base64; any other is the key itself. */
function standardKey(secret: string): Buffer {
  const prefix = "whsec_";
  return secret.startsWith(prefix)
    ? Buffer.from(secret.slice(prefix.length), "base64")
    : Buffer.from(secret);
}

/** Reads the beginning of an answer, however long it goes on, as text that can be shown. */
async function beginningOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= maxResponseBytes) break; // Which ends the connection.
    }
  } catch {
    // It broke off, or went on for too long: whether it took the event it had said before.
  }
  const text = Buffer.concat(chunks).subarray(0, maxResponseBytes).toString("utf8");
  return clipped(text.replace(/\p{Cc}/gu, " "), maxResponseCharacters);
}

/** Text cut to a number of code units, but not within a character. */
function clipped(text: string, units: number): string {
  return text
    .slice(0, units)
    .toWellFormed()
    .replace(/\uFFFD$/, "");
}

function isStatus(status: number): boolean {
  return status >= 100 && status <= 999;
}

function problemOf({ status, headers }: Response): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) {
    const place = clipped(headers.get("location") ?? "nowhere", 200);
    return `it redirects to ${place}, which is not followed`;
  }
  return isStatus(status) ? `it answered ${status}` : "it answered with a status that is none";
}

const meanings: Record<string, string> = {
  ConnectionRefused: "nothing listens there",
  ECONNREFUSED: "nothing listens there",
  FailedToOpenSocket: "nothing listens there",
  ECONNRESET: "it closed the connection",
  ConnectionClosed: "it closed the connection",
  TimeoutError: `it did not answer within ${answerMs / 1000} s`,
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is of another name",
  CERT_HAS_EXPIRED: "its certificate has expired",
};

/** Why nothing came of it, in words for people. */
function reasonOf(error: unknown): string {
  if (error instanceof Fault) return clipped(error.message, 500);
  const { code = "", name = "" } = error as Partial<Record<string, string>>;
  const known = meanings[code] ?? meanings[name];
  if (known !== undefined) return known;
  if (/CERT|TLS|SSL|ISSUER|SIGNATURE/.test(code))
    return `its certificate is not to be trusted (${code.toLowerCase().replaceAll("_", " ")})`;
  if (wasNotReached(error)) return "there is no way to its address";
  return /HTTP|Chunk|Header|Response|Status/i.test(code)
    ? "what came back is not an answer in HTTP"
    : "it could not be reached";
}
