// A value that changes over time, and those who show it.

import { useSyncExternalStore } from "hono/jsx/dom";

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
    use: () => useSyncExternalStore(subscribe, get),
  };
}
