/** Why a release or its metadata is not trusted: one error code, and a reason that scripts and tests can tell apart. */

import { type ErrorDetails, MyceliumError } from "../../base/index.ts";

export type TufReason =
  /** Not in the format, or another kind of metadata than the role's. */
  | "malformed"
  /** Fewer than the threshold of the role's keys have signed it. */
  | "signatures"
  /** Not the version that was asked for. */
  | "version"
  /** Older than what was trusted before. */
  | "rollback"
  | "expired"
  /** More or fewer bytes than were signed. */
  | "size"
  | "hash"
  /** Named by signed metadata, but not there. */
  | "missing"
  /** A target that is not what its name says. */
  | "target";

/** `message` says what was found and needed, and what to do: "timestamp.json expired ...; ask ...". */
export function tufRefusal(
  reason: TufReason,
  message: string,
  details: ErrorDetails = {},
): MyceliumError {
  return new MyceliumError("UPDATE_REFUSED", `Cannot trust the release: ${message}`, {
    details: { ...details, reason },
  });
}

/** The reason of a refusal; undefined for any other error. */
export function tufReasonOf(error: unknown): TufReason | undefined {
  if (!(error instanceof MyceliumError) || error.code !== "UPDATE_REFUSED") return undefined;
  return error.details["reason"] as TufReason | undefined;
}
