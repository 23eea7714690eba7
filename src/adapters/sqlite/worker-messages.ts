/** What the agent's thread and an engine Worker say to each other. */

import {
  type ErrorCode,
  type ErrorDetails,
  InvariantError,
  MyceliumError,
  messageOf,
} from "../../base/index.ts";

export interface CallMessage {
  readonly id: number;
  readonly shard: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Failure };

/** Errors lose their class between threads: it travels beside them. */
interface Failure {
  readonly kind: "expected" | "invariant" | "other";
  readonly message: string;
  readonly code?: ErrorCode;
  readonly details?: ErrorDetails;
  readonly stack?: string;
}

export function packFailure(error: unknown): Failure {
  const message = messageOf(error);
  if (error instanceof MyceliumError) {
    return { kind: "expected", message, code: error.code, details: error.details };
  }
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return { kind: error instanceof InvariantError ? "invariant" : "other", message, stack };
}

export function unpackFailure(failure: Failure): Error {
  if (failure.kind === "expected" && failure.code !== undefined) {
    return new MyceliumError(failure.code, failure.message, { details: failure.details ?? {} });
  }
  const error =
    failure.kind === "invariant" ? new InvariantError(failure.message) : new Error(failure.message);
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}
