// A run of ports, as people write it: `4000-4999`.

export type Range = { start: number; end: number };

/** `undefined` where the text is not two ports, the first not above the second. */
export function parse(text: string): Range | undefined {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return start >= 1 && start <= end && end <= 65535 ? { start, end } : undefined;
}

export function format({ start, end }: Range): string {
  return `${start}-${end}`;
}

export function contains({ start, end }: Range, port: number): boolean {
  return port >= start && port <= end;
}

/** Another port, for whoever cannot have this one. */
export function anotherPort(port: number): number {
  return port < 65_535 ? port + 1 : port - 1;
}
