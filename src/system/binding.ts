// Whether a port can be bound, asked of the kernel alone: listening for a moment, as the runtime can, takes twice as many
// system calls and is seen by whoever connects just then.

import { int, loadLibc, pointer } from "./libc.ts";

// From the kernel's headers: socket.h, in.h, in6.h.
const inet6 = 10;
const streamCloseOnExec = 1 | 0o2000000;
const ipv6Level = 41;
const v6Only = 26;

/** sockaddr_in6 (man 7 ipv6): the family in the order of the machine, the port in that of the network, and `::`. */
const wildcard = new Uint8Array(28);
const fields = new DataView(wildcard.buffer);
fields.setUint16(0, inet6, true);

const off = Int32Array.of(0);

/**
 * Whether the wildcard of IPv6 can be bound on a port: on Linux it conflicts with a listener on any address of either
 * family. `false` is no answer, but for somebody to look closer: a connection of a server that has ended keeps the port
 * for a while and bars no other server, and other machines and a lack of IPv6 look the same too.
 */
export function canBind(port: number): boolean {
  if (process.platform !== "linux") return false;
  const { socket, setsockopt, bind, close } = (calls ??= load());
  const descriptor = socket(inet6, streamCloseOnExec, 0);
  if (descriptor < 0) return false;
  setsockopt(descriptor, ipv6Level, v6Only, off, off.byteLength);
  fields.setUint16(2, port, false);
  const result = bind(descriptor, wildcard, wildcard.length);
  close(descriptor);
  return result === 0;
}

let calls: ReturnType<typeof load> | undefined;

function load() {
  return loadLibc({
    socket: { args: [int, int, int], returns: int },
    setsockopt: { args: [int, int, int, pointer, "u32"], returns: int },
    bind: { args: [int, pointer, "u32"], returns: int },
    close: { args: [int], returns: int },
  });
}
