// How the page asks the daemon to do something: by the same calls as the command line.

import { createCall } from "../src/client/calls.ts";
import { sendTo } from "../src/client/http.ts";
import { headers } from "../src/contract/headers.ts";

const { origin } = location;

export const call = createCall(sendTo(origin), {
  target: { url: origin },
  // So that the log says who it was.
  headers: { [headers.caller]: "dashboard" },
});
