/**
 * The two kinds of failure (there is no third): a bug, which is an `InvariantError` and ends the agent, and an
 * expected refusal, which is a `MyceliumError` with a code that scripts, peers and SQL clients can tell apart.
 */

/** Every code an expected error can carry, grouped by who can do something about it. */
export type ErrorCode =
  // What a person typed or configured.
  | "BAD_ARGUMENT"
  | "BAD_CONFIG"
  | "BAD_TOKEN"
  | "TOKEN_EXPIRED"
  | "TOKEN_USED"
  | "WRONG_NETWORK"
  | "ALREADY_MEMBER"
  | "NOT_A_MEMBER"
  | "NETWORK_FULL"
  | "CLOCK_OFF"
  | "VERSION_UNSUPPORTED"
  // What this machine lacks.
  | "PORT_TAKEN"
  | "STATE_NOT_WRITABLE"
  | "STATE_FOREIGN"
  | "STATE_NEWER"
  | "STATE_IN_USE"
  | "STATE_COPIED"
  | "STATE_CORRUPT"
  | "STATE_MISSING"
  | "DISK_FULL"
  | "NOT_RUNNING"
  // What the network cannot do just now; a retry may help.
  | "NOT_LEADER"
  | "NO_QUORUM"
  | "OUTCOME_UNKNOWN"
  | "OVERLOADED"
  | "UNREACHABLE"
  | "TIMEOUT"
  | "CLOSED"
  | "READ_ONLY"
  // What the caller may not do or sent wrongly.
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "MALFORMED"
  | "TOO_LARGE"
  | "SQL"
  // What a release does not prove about itself.
  | "UPDATE_REFUSED";

/** Facts about an error, for logs and `--json`; never a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** An expected refusal. The message says the action, what was found, what was needed, what to do. */
export class MyceliumError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MyceliumError";
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A bug in this program. Nobody catches it: the agent exits and its supervisor starts it again. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvariantError";
  }
}

/**
 * Throws `InvariantError` unless `condition` holds. For bugs only, never for what a peer or a person sent. `found` is
 * put behind the message: where much depends on speed, a message made in advance costs more than the check.
 */
export function assert(condition: unknown, message: string, found?: unknown): asserts condition {
  if (condition) return;
  throw new InvariantError(found === undefined ? message : `${message}: found ${String(found)}`);
}

/** The value, where `undefined` or `null` would be a bug. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InvariantError(`${what} is missing`);
  return value;
}

/** For the `default` of a switch that covers every case. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable case: ${String(value)}`);
}

/** The code of an expected error, or undefined for anything else. */
export function errorCodeOf(error: unknown): ErrorCode | undefined {
  return error instanceof MyceliumError ? error.code : undefined;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
