// A value that changes over time, and those who show it.

import { useLayoutEffect, useState } from "hono/jsx/dom";

type Value<T> = {
  get(): T;
  set(value: T): void;
  /** The present value; whoever uses it is rendered again when it changes. */
  use(): T;
};

export function createValue<T>(first: T): Value<T> {
  let value = first;
  const listeners = new Set<() => void>();
  function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }
  const get = () => value;
  return {
    get,
    set(next) {
      if (next === value) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    use: () => useSubscription(subscribe, get),
  };
}

/**
 * What `get` gives, rendered again whenever the subscription says so. In a layout effect, here and wherever something
 * subscribes: others run a frame later, when the component may be gone, and hono shows a component that is gone again
 * when it is told to render.
 */
export function useSubscription<T>(
  subscribe: (listener: () => void) => () => void,
  get: () => T,
): T {
  const [, setVersion] = useState(0);
  useLayoutEffect(() => subscribe(() => setVersion((version) => version + 1)), [subscribe]);
  return get();
}
