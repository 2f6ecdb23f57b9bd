// What a service manager hears from its service, by the protocol of man 3 sd_notify.

import { int, loadLibc, pointer, size } from "../system/libc.ts";

/** Of socket(2) and send(2), on Linux. */
const unixDomain = 1;
const datagram = 2;
const closeOnExec = 0o2000000;
const withoutSignal = 0x4000;

/** The most that `sun_path` of sockaddr_un holds (man 7 unix). */
const maxPathBytes = 108;

/**
 * Tells the service manager something, such as `READY=1`: a variable a line. It knows our pid, since it started this
 * very process. Throws where it cannot be told.
 */
export function notify(socket: string, message: string): void {
  const address = addressOf(socket);
  const bytes = new TextEncoder().encode(message);
  const libc = (loaded ??= load());
  const descriptor = libc.socket(unixDomain, datagram | closeOnExec, 0);
  if (descriptor < 0) throw new Error("there is no socket to tell the service manager by");
  const sent = libc.sendto(descriptor, bytes, bytes.length, withoutSignal, address, address.length);
  libc.close(descriptor);
  if (Number(sent) !== bytes.length)
    throw new Error(`the service manager does not hear at ${socket}`);
}

/** A sockaddr_un. A name that begins with `@` lies in no directory: its first byte is NUL, and its length is exact. */
export function addressOf(socket: string): Uint8Array {
  const path = new TextEncoder().encode(socket);
  const isAbstract = socket.startsWith("@");
  if (!isAbstract && !socket.startsWith("/"))
    throw new Error(`NOTIFY_SOCKET=${socket} is no Unix socket`);
  if (isAbstract) path[0] = 0;
  const length = path.length + (isAbstract ? 0 : 1);
  if (length > maxPathBytes) throw new Error(`NOTIFY_SOCKET=${socket} is too long for a socket`);
  const address = new Uint8Array(2 + length);
  new Uint16Array(address.buffer, 0, 1)[0] = unixDomain;
  address.set(path, 2);
  return address;
}

let loaded: ReturnType<typeof load> | undefined;

function load() {
  return loadLibc({
    socket: { args: [int, int, int], returns: int },
    sendto: { args: [int, pointer, size, int, pointer, "u32"], returns: "i64" },
    close: { args: [int], returns: int },
  });
}
