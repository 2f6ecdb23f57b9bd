// Looking at what may be gone, or not ours to look at.

/** What a system call answers; `undefined` where it fails. For questions whose answer may be that nothing is there. */
export function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
