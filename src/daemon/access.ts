// Who may ask over TCP where a token is set: whoever sends it, and a browser that was handed a key. The Unix socket is
// its owner's and asks for nothing.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { Fault } from "../contract/faults.ts";
import { assetsPath, enterPath, pagePath } from "../contract/pages.ts";

/** The pages that a browser may come to by a link from elsewhere. */
export const pagePaths: readonly string[] = [pagePath, enterPath];

/** What has nothing of this daemon's state in it: a page that has no session yet can say how to get one. */
function isForEverybody(path: string): boolean {
  return pagePaths.includes(path) || path.startsWith(assetsPath);
}

/** How long a key may be used, once; and how long the session that it opens lasts. */
const keyMs = 60_000;
const sessionMs = 12 * 3_600_000;

/** Beyond so many, the oldest is forgotten. */
const maxKeys = 32;
const maxSessions = 256;

const cookieName = "port-daddy";

export type Access = ReturnType<typeof createAccess>;

export function createAccess(token: string | undefined, now: () => number) {
  const keys = new Map<string, number>();
  const sessions = new Map<string, number>();

  function isOpen(of: Map<string, number>, secret: string): boolean {
    return (of.get(digest(secret)) ?? 0) > now();
  }
  function keep(of: Map<string, number>, most: number, secret: string, until: number): void {
    of.set(digest(secret), until);
    if (of.size > most) of.delete(of.keys().next().value!);
  }

  return {
    /** Throws `unauthorized` where a token is set and the request carries neither it nor a session. */
    require(headers: Headers, path: string): void {
      if (token === undefined || isForEverybody(path)) return;
      const bearer = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
      if (bearer !== undefined && isSame(bearer, token)) return;
      // Pages of other ports of this host may have set one of the same name before ours.
      if (sessionsOf(headers).some((session) => isOpen(sessions, session))) return;
      throw new Fault("unauthorized", "This daemon asks for its token over TCP", {
        hint: "send it as 'Authorization: Bearer <token>', or ask over the socket: port-daddy status",
      });
    },
    /** Makes a key that lets one browser in. */
    makeKey(): { key: string; expiresAt: number } {
      const key = randomBytes(24).toString("base64url");
      const expiresAt = now() + keyMs;
      keep(keys, maxKeys, key, expiresAt);
      return { key, expiresAt };
    },
    /** Trades a key for the cookie of a session; a key works once. Throws `unauthorized` for one that is none. */
    enter(key: string): string {
      if (!isOpen(keys, key) || !keys.delete(digest(key))) {
        throw new Fault("unauthorized", "This key was used before, is too old, or never was one", {
          hint: "get another, over the socket: POST /keys",
        });
      }
      const session = randomBytes(24).toString("base64url");
      keep(sessions, maxSessions, session, now() + sessionMs);
      return `${cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${sessionMs / 1000}`;
    },
  };
}

function sessionsOf(headers: Headers): string[] {
  const cookies = (headers.get("cookie") ?? "").split(/; */);
  const ours = cookies.filter((each) => each.startsWith(`${cookieName}=`));
  return ours.slice(0, 8).map((each) => each.slice(cookieName.length + 1));
}

/** Secrets are kept and compared by their digests: nothing of them can be measured. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(digest(one)), Buffer.from(digest(other)));
}
