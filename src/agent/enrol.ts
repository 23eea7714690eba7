/** Asks the addresses of a join token in turn, until one says yes or no; again where an answer may have been lost. */

import { type ErrorCode, errorCodeOf, MyceliumError, messageOf } from "../base/index.ts";
import { errorAnswerShape } from "../domain/api/index.ts";
import {
  ENROL_REPLY_SIZE_BYTES_MAX,
  type Enrolled,
  openEnrolReply,
  type PendingEnrolment,
} from "../runtime/membership/index.ts";

const ATTEMPT_TIMEOUT_MS = 15_000;
/** How often all addresses are asked when the network may have said yes and its answer was lost. */
const ROUNDS_MAX = 3;
const ROUND_PAUSE_MS = 1_000;
/** Refusals that another address, or another time, may lift; nothing was done. */
const TEMPORARY = new Set<ErrorCode>([
  "UNREACHABLE",
  "OVERLOADED",
  "NO_QUORUM",
  "NOT_LEADER",
  "CLOSED",
]);
/** The network may have made the member, or may yet. */
const UNKNOWN = new Set<ErrorCode>(["OUTCOME_UNKNOWN", "TIMEOUT"]);

export interface EnrolOptions {
  readonly attemptTimeoutMs?: number;
  readonly roundPauseMs?: number;
  /** Called before a question goes out whose answer could be lost. */
  readonly asking?: () => void;
}

/** Throws what the network refuses, UNREACHABLE when nobody did anything, OUTCOME_UNKNOWN when somebody may have. */
export async function enrol(
  pending: PendingEnrolment,
  options: EnrolOptions = {},
): Promise<Enrolled> {
  const { roundPauseMs = ROUND_PAUSE_MS } = options;
  options.asking?.();
  let isUnknown = false;
  let failures: readonly Failure[] = [];
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    if (round > 1) await new Promise((resolve) => setTimeout(resolve, roundPauseMs));
    const answer = await askAll(pending, options);
    if (!Array.isArray(answer)) return answer as Enrolled;
    failures = answer;
    isUnknown ||= failures.some(({ isUnknown }) => isUnknown);
    if (!isUnknown) break;
  }
  const told = failures.map(({ address, message }) => `${address}: ${message}`).join("; ");
  if (isUnknown) {
    throw new MyceliumError(
      "OUTCOME_UNKNOWN",
      `Cannot tell whether this node joined: the answer was lost (${told}); run the same command again with the ` +
        "same token, it goes on where this one ended",
    );
  }
  throw new MyceliumError(
    "UNREACHABLE",
    `Cannot join: no node answered at any of the token's addresses (${told}); check that they run ` +
      "and that this machine reaches them",
  );
}

interface Failure {
  readonly address: string;
  readonly message: string;
  readonly isUnknown: boolean;
}

async function askAll(
  pending: PendingEnrolment,
  { attemptTimeoutMs = ATTEMPT_TIMEOUT_MS }: EnrolOptions,
): Promise<Enrolled | Failure[]> {
  const failures: Failure[] = [];
  for (const address of pending.token.addresses) {
    try {
      const reply = await ask(address, pending.body, attemptTimeoutMs);
      return openEnrolReply(pending, reply, Date.now());
    } catch (error) {
      const code = errorCodeOf(error);
      if (code === undefined || !(TEMPORARY.has(code) || UNKNOWN.has(code))) throw error;
      failures.push({ address, message: messageOf(error), isUnknown: UNKNOWN.has(code) });
    }
  }
  return failures;
}

async function ask(address: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  let response: Response;
  let answer: Uint8Array;
  try {
    response = await fetch(`http://${address}/enrol`, {
      method: "POST",
      body,
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    answer = await boundedBody(response);
  } catch (error) {
    if (errorCodeOf(error) !== undefined) throw error;
    throw unanswered(error, timeoutMs);
  }
  if (response.ok) return answer;
  throw refusalOf(address, response.status, answer);
}

/** What was not even connected did nothing; anything else may have been answered. In a person's words. */
function unanswered(cause: unknown, timeoutMs: number): MyceliumError {
  const { code, name } = cause as { readonly code?: unknown; readonly name?: unknown };
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") {
    return new MyceliumError("UNREACHABLE", "nothing listens there", { cause });
  }
  const isLate = name === "TimeoutError";
  const message = isLate ? `no answer within ${timeoutMs / 1_000} s` : messageOf(cause);
  return new MyceliumError("TIMEOUT", message, { cause });
}

async function boundedBody(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.length;
    if (sizeBytes > ENROL_REPLY_SIZE_BYTES_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot join: the answer is over ${ENROL_REPLY_SIZE_BYTES_MAX} bytes`,
      );
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function refusalOf(address: string, status: number, answer: Uint8Array): MyceliumError {
  try {
    const { error } = errorAnswerShape(JSON.parse(new TextDecoder().decode(answer)), "the answer");
    return new MyceliumError(error.code as ErrorCode, error.message);
  } catch {
    return new MyceliumError(
      "UNREACHABLE",
      `what answers there is not a Mycelium node (HTTP ${status} from ${address})`,
    );
  }
}
