// Which agents have a stream open or a request held: for as long as they do, they are there.

export type Presence = ReturnType<typeof createPresence>;

/** `onEnter` is told when an agent opens something, `onLeave` when that is closed: by it, or because it has died. */
export function createPresence(onEnter: (agent: string) => void, onLeave: (agent: string) => void) {
  const counts = new Map<string, number>();
  return {
    /** Counts an agent as present until the function that comes back is called. */
    enter(agent: string): () => void {
      onEnter(agent);
      counts.set(agent, (counts.get(agent) ?? 0) + 1);
      return () => {
        const left = counts.get(agent)! - 1;
        if (left > 0) counts.set(agent, left);
        else counts.delete(agent);
        onLeave(agent);
      };
    },
    agents: (): ReadonlySet<string> => new Set(counts.keys()),
  };
}
