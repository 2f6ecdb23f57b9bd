// Where the page starts.

import { render } from "hono/jsx/dom";
import { App } from "./app.tsx";
import { listenToKeys } from "./keys.tsx";
import * as stream from "./stream.ts";
import * as theme from "./theme.ts";
import { startClock } from "./time.tsx";

startClock();
theme.show();
listenToKeys();
stream.live();
render(<App />, document.getElementById("app")!);
