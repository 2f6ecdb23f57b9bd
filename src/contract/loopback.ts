// This machine, as URLs and settings call it.

export const loopbackNames: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Where a program on one of its ports is reached. */
export function localUrl(port: number): string {
  return `http://localhost:${port}`;
}

/** A name or an address as URLs write it. */
export function inUrl(host: string): string {
  const written = host.includes(":") ? `[${host}]` : host;
  return URL.parse(`http://${written}/`)?.hostname ?? written.toLowerCase();
}

/** Whether an address to listen on is this machine's alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Whether it stands for every address of the machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
