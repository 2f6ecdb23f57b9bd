// What the daemon answers about one thing that is looked at, asked when it is opened and again when `version` changes.

import { useLayoutEffect, useState } from "hono/jsx/dom";
import { asFault } from "../../src/contract/faults.ts";
import type { InputOf, OutputOf, ValueName } from "../../src/contract/operations.ts";
import { call } from "../daemon.ts";

export type Answer<T> = { value?: T; failure?: string };

export function useAsked<N extends ValueName>(
  name: N,
  input: InputOf<N>,
  version: unknown = "",
): Answer<OutputOf<N>> {
  const [answer, setAnswer] = useState<Answer<OutputOf<N>>>({});
  useLayoutEffect(() => {
    let isCurrent = true;
    call(name, input).then(
      (value) => isCurrent && setAnswer({ value }),
      (error) => isCurrent && setAnswer({ failure: asFault(error).message }),
    );
    return () => {
      isCurrent = false;
    };
  }, [name, JSON.stringify(input), version]);
  return answer;
}
