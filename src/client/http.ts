// A request by fetch, as Bun and browsers have it.

import type { Send } from "./calls.ts";

/** Sends requests to a URL without its path, such as `http://localhost:9876`. */
export function sendTo(url: string): Send {
  return async ({ method, path, headers, body }, deadlineMs) => {
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body !== undefined && { body }),
      // A proxy of the environment has no business between a command and its daemon.
      proxy: false,
      // No daemon of ours sends us elsewhere.
      redirect: "manual",
      // Bun's own limit of six minutes would end a long wait.
      timeout: false,
      ...(Number.isFinite(deadlineMs) && { signal: AbortSignal.timeout(deadlineMs) }),
    });
    return {
      status: response.status,
      headers: new Map(response.headers),
      body: await response.text(),
    };
  };
}
