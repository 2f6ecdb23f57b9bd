// What the daemon knows of a request beside what it asks for, and how one ends that is held in vain.

import type { Context } from "hono";
import { Fault } from "../contract/faults.ts";
import type { RouteMeter } from "./metrics/requests.ts";

/** How a request reached us, and what is noted of it for whoever counts it. */
export type RequestEnv = {
  Bindings: { route?: RouteMeter; isHeld?: true } & (
    | { transport: "socket" }
    | {
        transport: "tcp";
        port: number;
        remoteAddress: string;
        /** Whether it came by a loopback address. */
        isLoopback: boolean;
        /** Lets the connection be quiet for as long as it takes. */
        hold: () => void;
      }
  );
};

/** A request as hono hands it over. */
export type RequestContext = Context<RequestEnv>;

/** What an operation that waits must know of its request. */
export type HeldRequest = {
  /** Aborted when the caller has gone. */
  signal: AbortSignal;
  /** Says that the answer may take long, until the function that it returns is called. */
  hold: () => () => void;
  /** The last id that the reader of a stream has seen. */
  lastEventId: number | undefined;
};

/** The most that a request's body may hold. */
export const maxBodyBytes = 256 * 1024;

export function goneFault(): Fault {
  return new Fault("unavailable", "The caller has gone");
}

export function stoppingFault(): Fault {
  return new Fault("unavailable", "The daemon is stopping", {
    details: { stopping: true },
    hint: "it may be back in a moment: port-daddy status",
  });
}
