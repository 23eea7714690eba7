/** Reads rows of the membership tables. */

import {
  blobOf,
  numberOf,
  type ProgramResult,
  type Row,
  rowsOf,
  textOf,
} from "../../domain/sql/index.ts";
import { decodeAnnouncement, type Member, memberShape, type RevokedNode } from "./member.ts";

export const MEMBER_COLUMNS =
  "node_id, class, role, tier, state, replica_life, joined_at_ms, announcement";

export function memberRowsOf(result: ProgramResult, step: number): readonly Row[] {
  return rowsOf(result, step, "the member list");
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
