// Whether anybody still reads what we write.

import { int, loadLibc, pointer, size } from "./libc.ts";

/** Of poll(2): the other end is closed, or the descriptor is. */
const gone = 0x08 | 0x10 | 0x20;

/** Whether the reader of a pipe, socket or terminal has gone. Of a file there is none to go. */
export function isReaderGone(descriptor: number): boolean {
  // struct pollfd: the descriptor, no events asked for, room for those that are told unasked.
  const polled = new Int32Array([descriptor, 0]);
  loaded ??= loadLibc({ poll: { args: [pointer, size, int], returns: int } }).poll;
  return loaded(polled, 1, 0) > 0 && ((polled[1]! >>> 16) & gone) !== 0;
}

let loaded: ((descriptors: Int32Array, count: number, timeout: number) => number) | undefined;
