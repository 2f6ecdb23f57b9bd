// What a check finds: how it is, and what to do where it is not well.

/** ok; worth a look, though everything works; in the way of something. */
export const levels = ["ok", "note", "wrong"] as const;
export type Level = (typeof levels)[number];

export type Finding = {
  level: Level;
  says: string;
  /** A command, as it is typed. */
  remedy?: string;
};

export function ok(says: string): Finding {
  return { level: "ok", says };
}

export function note(says: string, remedy: string): Finding {
  return { level: "note", says, remedy };
}

export function wrong(says: string, remedy: string): Finding {
  return { level: "wrong", says, remedy };
}

/** Another state directory, where this one cannot be used. */
export const otherHome = "export PORT_DADDY_HOME=~/.port-daddy";
