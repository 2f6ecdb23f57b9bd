// What can go wrong: one row a fault, with the HTTP status and the exit code it becomes.

export const faults = {
  internal: { status: 500, exit: 1, summary: "Unexpected; the log of the daemon says more" },
  unsupported: {
    status: 501,
    exit: 1,
    summary: "This machine cannot do it; the hint says what to do instead",
  },
  invalid_input: {
    status: 400,
    exit: 2,
    summary: "A field, flag or command is not what it must be",
  },
  too_large: { status: 413, exit: 2, summary: "The request is larger than allowed" },
  not_found: { status: 404, exit: 3, summary: "There is no such thing" },
  held: { status: 409, exit: 4, summary: "Somebody else has it; the answer names the holder" },
  not_owner: { status: 403, exit: 4, summary: "It is somebody else's; the answer names both" },
  unauthorized: { status: 401, exit: 4, summary: "The token is missing, or not this daemon's" },
  forbidden: { status: 403, exit: 4, summary: "The guard refused the request" },
  no_port: { status: 409, exit: 5, summary: "No port is left in the range" },
  limit_reached: {
    status: 429,
    exit: 5,
    summary: "The agent holds as many as it may, or too much is asked at once",
  },
  timed_out: { status: 408, exit: 6, summary: "It did not happen within the time allowed" },
  unavailable: {
    status: 503,
    exit: 7,
    summary: "There is no daemon, or it cannot serve at the moment",
  },
} as const satisfies Record<string, { status: number; exit: number; summary: string }>;

export type FaultCode = keyof typeof faults;

/** What is said with a fault beyond its sentence. */
export type FaultExtras = {
  /** What to do about it; ends in a command. */
  hint?: string | undefined;
  /** Facts for programs: the field, the holder, the candidates. */
  details?: Record<string, unknown>;
};

/** The body of every HTTP answer that is not a success, and what `-j` prints on stderr. */
export type FaultBody = { error: string; code: FaultCode; hint?: string } & Record<string, unknown>;

/**
 * A failure that is told to the caller as it is: a code, a sentence that names the thing and its holder, and a hint
 * that ends in a command where there is something to do.
 */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(code: FaultCode, message: string, extras: FaultExtras = {}) {
    super(message);
    this.name = "Fault";
    this.code = code;
    this.hint = extras.hint;
    this.details = extras.details ?? {};
  }

  get status(): number {
    return faults[this.code].status;
  }

  get exit(): number {
    return faults[this.code].exit;
  }

  toBody(): FaultBody {
    const hint = this.hint === undefined ? {} : { hint: this.hint };
    return { error: this.message, code: this.code, ...hint, ...this.details };
  }

  /** The fault that a body of an answer tells of; one that is not a fault's body is itself a fault. */
  static fromBody(body: unknown, status: number): Fault {
    if (typeof body !== "object" || body === null || !("code" in body) || !("error" in body)) {
      return new Fault("internal", `The daemon answered ${status} without saying why`);
    }
    const { error, code, hint, ...details } = body as Record<string, unknown>;
    const known =
      typeof code === "string" && Object.hasOwn(faults, code) ? (code as FaultCode) : "internal";
    return new Fault(known, String(error), {
      details,
      hint: hint === undefined ? undefined : String(hint),
    });
  }
}

/** The fault that a failure is; anything that nobody foresaw is `internal`, with its cause kept to the log. */
export function asFault(failure: unknown): Fault {
  if (failure instanceof Fault) return failure;
  const fault = new Fault("internal", "Something unexpected went wrong", {
    hint: "the log says more: port-daddy logs",
  });
  fault.cause = failure;
  return fault;
}
