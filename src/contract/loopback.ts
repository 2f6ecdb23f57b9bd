// This machine, as URLs and settings call it.

export const loopbackNames: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Whether an address to listen on is this machine's alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Whether it stands for every address of the machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
