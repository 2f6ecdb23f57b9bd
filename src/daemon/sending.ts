// Sends one delivery of a webhook: signed, to the address that was checked, and reads no more of the answer than is kept.

import { createHmac } from "node:crypto";
import { maxResponseCharacters } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { DeliveryRow, Outcome, Row } from "../domain/webhooks.ts";
import { findTarget, type Target, type TargetRules } from "./targets.ts";

export type Send = (webhook: Row, delivery: DeliveryRow) => Promise<Outcome>;

/** How long a receiver may take to answer. */
const answerMs = 10_000;

/** A character takes four bytes at most. */
const maxResponseBytes = maxResponseCharacters * 4;

/** `ca` is a certificate that is trusted beside the system's. */
export function createSend(rules: () => TargetRules, now: () => number, ca?: string): Send {
  return async function send(webhook, delivery) {
    const start = performance.now();
    try {
      const target = await findTarget(webhook.url, rules());
      const response = await post(target, delivery, headersOf(webhook, delivery, now()), ca);
      const text = await beginningOf(response);
      return {
        httpStatus: response.status,
        durationMs: Math.round(performance.now() - start),
        response: text,
        error: problemOf(response),
      };
    } catch (error) {
      const durationMs = Math.round(performance.now() - start);
      return { httpStatus: null, durationMs, response: null, error: reasonOf(error) };
    }
  };
}

function post(
  { url, address }: Target,
  { body }: DeliveryRow,
  headers: Record<string, string>,
  ca: string | undefined,
): Promise<Response> {
  const checked = new URL(url);
  checked.hostname = address.includes(":") ? `[${address}]` : address;
  checked.hash = "";
  return fetch(checked, {
    method: "POST",
    headers: { ...headers, Host: url.host },
    body,
    redirect: "manual",
    // The certificate is the name's, though the connection goes to its address.
    tls: { serverName: url.hostname.replace(/\.$/, ""), ...(ca !== undefined && { ca }) },
    proxy: false,
    keepalive: false,
    decompress: false,
    signal: AbortSignal.timeout(answerMs),
  } as RequestInit);
}

/**
 * What a receiver verifies a delivery by: the signature of the body, and the three headers of the Standard Webhooks
 * specification (https://www.standardwebhooks.com), by which it can refuse a replay.
 */
function headersOf(
  { secret }: Row,
  { id, event, body }: DeliveryRow,
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
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxResponseBytes) break; // Which ends the connection.
  }
  const text = Buffer.concat(chunks).subarray(0, maxResponseBytes).toString("utf8");
  return [...text.replace(/\p{Cc}/gu, " ")].slice(0, maxResponseCharacters).join("");
}

function problemOf({ status, headers }: Response): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return `it redirects to ${headers.get("location") ?? "nowhere"}, which is not followed`;
  return `it answered ${status}`;
}

const meanings: Record<string, string> = {
  ConnectionRefused: "nothing listens there",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  ConnectionClosed: "it closed the connection",
  TimeoutError: `it did not answer within ${answerMs / 1000} s`,
};

function reasonOf(error: unknown): string {
  if (error instanceof Fault) return error.message;
  const { code = "", name = "", message = "" } = error as Partial<Record<string, string>>;
  return (meanings[code] ?? meanings[name] ?? (message || code)).slice(0, 500);
}
