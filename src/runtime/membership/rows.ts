/** Reads rows of the membership tables. They are our own, so what does not fit them is damage: MALFORMED. */

import { MyceliumError } from "../../base/index.ts";
import type { ProgramResult, SqlValue } from "../../domain/sql/index.ts";
import { decodeAnnouncement, type Member, memberShape, type RevokedNode } from "./member.ts";

export const MEMBER_COLUMNS =
  "node_id, class, role, tier, state, replica_life, joined_at_ms, announcement";

export type Row = readonly SqlValue[];

/** The rows of one step. Throws SQL when the step failed or did not run. */
export function rowsOf(result: ProgramResult, step: number): readonly Row[] {
  const outcome = result.steps[step];
  if (outcome?.ok) return outcome.result.rows;
  const found = outcome?.error.message ?? "the statement did not run";
  throw new MyceliumError("SQL", `Cannot read the member list: ${found}`);
}

export function memberOfRow(row: Row): Member {
  const [id, nodeClass, role, tier, state, life, joined, announcement] = row;
  return memberShape(
    {
      ...decodeAnnouncement(blobOf(announcement)),
      id,
      class: nodeClass,
      role,
      tier: numberOf(tier),
      state,
      replicaLife: numberOf(life),
      joinedAtMs: numberOf(joined),
    },
    "member",
  );
}

export function revokedOfRow([id, reason]: Row): RevokedNode {
  return { id: textOf(id) as RevokedNode["id"], reason: reason === "left" ? "left" : "removed" };
}

export function textOf(value: SqlValue | undefined): string {
  if (typeof value === "string") return value;
  throw damaged("text", value);
}

export function numberOf(value: SqlValue | undefined): number {
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  throw damaged("an integer", value);
}

export function blobOf(value: SqlValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw damaged("a blob", value);
}

function damaged(needed: string, found: SqlValue | undefined): MyceliumError {
  return new MyceliumError(
    "MALFORMED",
    `Cannot read the member list: found ${found === null ? "NULL" : typeof found}, needed ${needed}`,
  );
}
