// The daemon as seen by a command: calls and streams, over its socket or to its URL.

import type { InputOf, StreamName } from "../contract/operations.ts";
import { createCall, requestFor, type Call, type CallerOptions, type Send } from "./calls.ts";
import { follow, type FollowOptions, type StreamEvent } from "./events.ts";
import { sendTo } from "./http.ts";
import { exchange } from "./socket.ts";

export type Client = {
  call: Call;
  /** Opens a stream. It goes on through losses of the connection until its signal is aborted. */
  follow<N extends StreamName>(
    name: N,
    input: InputOf<N>,
    options: FollowOptions,
  ): AsyncGenerator<StreamEvent>;
};

export function createClient(options: CallerOptions): Client {
  const { target, headers = {} } = options;
  const send: Send =
    "unix" in target
      ? (request, deadlineMs) => exchange(target.unix, request, deadlineMs)
      : sendTo(target.url);
  return {
    call: createCall(send, options),
    follow: (name, input, options) => follow(target, requestFor(name, input, headers), options),
  };
}
