/** The member list in shard `system`: every read and write of it. Writes go wherever the leader is. */

import {
  type ErrorCode,
  MyceliumError,
  type NodeId,
  type RequestId,
  toHex,
} from "../../base/index.ts";
import {
  decodeGrantChain,
  type GrantLink,
  type NodeClass,
  type NodeRole,
  type SignedPart,
  signedPartShape,
  type TrustTier,
} from "../../domain/identity/index.ts";
import {
  atomicProgram,
  blobOf,
  changedRows,
  codeOfFailure,
  failureOf,
  numberOf,
  type Program,
  type ProgramFailure,
  type ProgramResult,
  plainProgram,
  statement,
  succeeded,
  textOf,
} from "../../domain/sql/index.ts";
import { decodeCbor, encodeCbor } from "../../domain/wire/index.ts";
import type { SqlService } from "../../ports/index.ts";
import { type Announcement, encodeAnnouncement, type MemberList } from "./member.ts";
import { MEMBER_COLUMNS, memberOfRow, memberRowsOf, revokedOfRow } from "./rows.ts";
import { schemaProgram } from "./schema.ts";

/** A join token as the network remembers it. */
export interface StoredToken {
  /** The sponsor's signed statement about the token's key. */
  readonly voucher: SignedPart;
  /** The sponsor's own links up to the genesis. */
  readonly sponsorLinks: readonly GrantLink[];
  readonly usesLeft: number;
  readonly expiresAtMs: number;
}

export interface NewMember {
  readonly id: NodeId;
  readonly class: NodeClass;
  readonly role: NodeRole;
  readonly tier: TrustTier;
  readonly announcement: Announcement;
}

export interface Admission {
  readonly member: NewMember;
  /** The member's encoded grant chain. */
  readonly grant: Uint8Array;
  readonly tokenKey: Uint8Array;
  readonly nowMs: number;
  /** Null: as many as fit. */
  readonly nodeCountMax: number | null;
}

export interface MemberStoreOptions {
  /** Of shard `system`. */
  readonly sql: SqlService;
  readonly newRequestId: () => RequestId;
  readonly readDeadlineMs: number;
}

const LIMIT_NONE = 2n ** 62n;
/** Expired tokens are kept this long, so that a late joiner is told why. */
const TOKEN_KEPT_MS = 86_400_000;
/** Nodes remembered as left or removed; the list has room for twice as many. */
export const REVOKED_MAX = 5_000;
const voucherShape = signedPartShape(1_024);

/** Positions of the statements in the program of `admit`. */
const USE_TOKEN = 0;
const INSERT_GRANT = 1;
const INSERT_NODE = 2;
const NOT_REVOKED = 3;
const CHECK_FAILED = "SQLITE_CONSTRAINT_CHECK";

export class MemberStore {
  readonly #sql: SqlService;
  readonly #newRequestId: () => RequestId;
  readonly #readDeadlineMs: number;

  constructor(options: MemberStoreOptions) {
    this.#sql = options.sql;
    this.#newRequestId = options.newRequestId;
    this.#readDeadlineMs = options.readDeadlineMs;
  }

  /** Makes the tables and the genesis nodes' rows. Every start of a genesis node may call it. */
  async initialise(members: readonly NewMember[], nowMs: number): Promise<void> {
    await this.#write("make the member list", schemaProgram(), true);
    const inserts = members.map((member) => insertMember(member, nowMs, "ON CONFLICT DO NOTHING"));
    await this.#write("record the first members", atomicProgram(...inserts), true);
  }

  /** All members and all who were, as this replica has them. Null before `initialise` reached it. */
  async readAll(): Promise<MemberList | null> {
    // Asked before the list is read, which may hold more by then, never less.
    const asOf = this.#sql.appliedIndex();
    const result = await this.#read(
      plainProgram(
        statement("SELECT count(*) FROM sqlite_schema WHERE name = '_mycelium_revoked'"),
        statement(`SELECT ${MEMBER_COLUMNS} FROM _mycelium_nodes ORDER BY node_id`),
        statement("SELECT node_id, reason FROM _mycelium_revoked ORDER BY node_id"),
      ),
      "local",
    );
    if (numberOf(memberRowsOf(result, 0)[0]?.[0]) === 0) return null;
    return {
      members: memberRowsOf(result, 1).map(memberOfRow),
      revoked: memberRowsOf(result, 2).map(revokedOfRow),
      asOf,
    };
  }

  /** Replaces what a node says of itself. False when it is no member. */
  async announce(node: NodeId, announcement: Announcement, nowMs: number): Promise<boolean> {
    const sql =
      "UPDATE _mycelium_nodes SET announcement = ?2, announced_at_ms = ?3 WHERE node_id = ?1";
    const args = [node, encodeAnnouncement(announcement), BigInt(nowMs)] as const;
    const program = plainProgram(statement(sql, ...args));
    return changedRows(await this.#write("announce this node", program, false), 0) > 0;
  }

  /** Gives a node that lost its log its next life as a replica: a number it never had. Throws NOT_A_MEMBER. */
  async beginReplicaLife(node: NodeId): Promise<number> {
    const program = plainProgram(
      statement(
        "UPDATE _mycelium_nodes SET replica_life = replica_life + 1 WHERE node_id = ?1",
        node,
      ),
      statement("SELECT replica_life FROM _mycelium_nodes WHERE node_id = ?1", node),
    );
    const result = await this.#write("start a new replica", program, false);
    const row = memberRowsOf(result, 1)[0];
    if (row !== undefined) return numberOf(row[0]);
    throw new MyceliumError("NOT_A_MEMBER", `Cannot start a new replica: ${node} is no member`);
  }

  async addToken(
    tokenKey: Uint8Array,
    token: StoredToken,
    sponsorGrant: Uint8Array,
    nowMs: number,
  ): Promise<void> {
    const voucher = encodeCbor({
      payload: token.voucher.payload,
      signature: token.voucher.signature,
    });
    const program = atomicProgram(
      statement(
        "DELETE FROM _mycelium_tokens WHERE expires_at_ms < ?1",
        BigInt(nowMs - TOKEN_KEPT_MS),
      ),
      statement(
        `INSERT INTO _mycelium_tokens
         (token_key, voucher, sponsor_grant, uses_left, expires_at_ms, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
        toHex(tokenKey),
        voucher,
        sponsorGrant,
        BigInt(token.usesLeft),
        BigInt(token.expiresAtMs),
        BigInt(nowMs),
      ),
    );
    await this.#write("create a join token", program, true);
  }

  /** What the network knows of a token, strongly read; null when it knows none with this key. */
  async findToken(tokenKey: Uint8Array): Promise<StoredToken | null> {
    const sql =
      "SELECT voucher, sponsor_grant, uses_left, expires_at_ms FROM _mycelium_tokens WHERE token_key = ?1";
    const result = await this.#read(plainProgram(statement(sql, toHex(tokenKey))), "strong");
    const row = memberRowsOf(result, 0)[0];
    if (row === undefined) return null;
    return {
      voucher: voucherShape(decodeCbor(blobOf(row[0])), "voucher"),
      sponsorLinks: decodeGrantChain(blobOf(row[1])).links,
      usesLeft: numberOf(row[2]),
      expiresAtMs: numberOf(row[3]),
    };
  }

  /** A member's encoded grant and the token it came with, strongly read. */
  async findGrant(node: NodeId): Promise<{ grant: Uint8Array; tokenKey: string } | null> {
    const sql = "SELECT grant_chain, token_key FROM _mycelium_grants WHERE node_id = ?1";
    const result = await this.#read(plainProgram(statement(sql, node)), "strong");
    const row = memberRowsOf(result, 0)[0];
    return row === undefined ? null : { grant: blobOf(row[0]), tokenKey: textOf(row[1]) };
  }

  /**
   * Counts one use of the token and makes the member, or changes nothing and throws: TOKEN_EXPIRED, TOKEN_USED,
   * BAD_TOKEN (unknown), ALREADY_MEMBER, NETWORK_FULL, NOT_A_MEMBER (removed before).
   */
  async admit(admission: Admission): Promise<void> {
    const { member, grant, nowMs, nodeCountMax } = admission;
    const tokenKey = toHex(admission.tokenKey);
    const limit = nodeCountMax === null ? LIMIT_NONE : BigInt(nodeCountMax);
    const program = atomicProgram(
      statement(
        `UPDATE _mycelium_tokens
         SET uses_left = CASE WHEN expires_at_ms > ?2 THEN uses_left - 1 END
         WHERE token_key = ?1`,
        tokenKey,
        BigInt(nowMs),
      ),
      statement(
        `INSERT INTO _mycelium_grants (node_id, token_key, grant_chain)
         VALUES (?1, (SELECT token_key FROM _mycelium_tokens WHERE token_key = ?2), ?3)`,
        member.id,
        tokenKey,
        grant,
      ),
      insertMember(member, nowMs, "", limit),
      statement(
        `UPDATE _mycelium_nodes
         SET state = CASE WHEN (SELECT reason FROM _mycelium_revoked WHERE node_id = ?1) = 'removed'
                     THEN NULL ELSE state END
         WHERE node_id = ?1`,
        member.id,
      ),
      statement("DELETE FROM _mycelium_revoked WHERE node_id = ?1", member.id),
    );
    const failure = failureOf(await this.#writeRaw(program), true);
    if (failure !== null) throw admissionError(failure);
  }

  /** Marks a member as leaving: it is taken out of every group. False when it is no member. */
  async beginLeave(node: NodeId): Promise<boolean> {
    const sql = "UPDATE _mycelium_nodes SET state = 'leaving' WHERE node_id = ?1";
    const result = await this.#write("leave", plainProgram(statement(sql, node)), false);
    return changedRows(result, 0) > 0;
  }

  /**
   * Takes a node off the list. `left` may join again with the same key, `removed` may not, whatever is said of it later.
   * Of those who are remembered so, the ones that left longest ago are forgotten first.
   */
  async remove(node: NodeId, reason: "left" | "removed", nowMs: number): Promise<boolean> {
    const program = atomicProgram(
      statement("DELETE FROM _mycelium_nodes WHERE node_id = ?1", node),
      statement("DELETE FROM _mycelium_grants WHERE node_id = ?1", node),
      statement(
        `INSERT INTO _mycelium_revoked (node_id, reason, revoked_at_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET revoked_at_ms = excluded.revoked_at_ms,
           reason = iif(_mycelium_revoked.reason = 'removed', 'removed', excluded.reason)`,
        node,
        reason,
        BigInt(nowMs),
      ),
      statement(
        `DELETE FROM _mycelium_revoked WHERE node_id IN (
           SELECT node_id FROM _mycelium_revoked
           ORDER BY reason = 'left', revoked_at_ms DESC, node_id LIMIT -1 OFFSET ?1)`,
        BigInt(REVOKED_MAX),
      ),
    );
    return changedRows(await this.#write("remove a node", program, true), 1) > 0;
  }

  async #write(action: string, program: Program, atomic: boolean): Promise<ProgramResult> {
    return succeeded(await this.#writeRaw(program), atomic, action);
  }

  #writeRaw(program: Program): Promise<ProgramResult> {
    return this.#sql.write({ id: this.#newRequestId(), role: "system", program });
  }

  #read(program: Program, level: "local" | "strong"): Promise<ProgramResult> {
    return this.#sql.read(program, {
      role: "system",
      consistency: { level },
      deadlineMs: this.#readDeadlineMs,
    });
  }
}

/** `limit` is broken as a NOT NULL constraint when there are as many nodes already. */
function insertMember(
  member: NewMember,
  nowMs: number,
  onConflict: string,
  limit: bigint = LIMIT_NONE,
) {
  return statement(
    `INSERT INTO _mycelium_nodes
     (node_id, class, role, tier, state, replica_life, joined_at_ms, announcement, announced_at_ms)
     VALUES (?1, ?2, ?3, ?4,
       CASE WHEN (SELECT count(*) FROM _mycelium_nodes) < ?7 THEN 'active' END,
       0, ?5, ?6, ?5) ${onConflict}`,
    member.id,
    member.class,
    member.role,
    BigInt(member.tier),
    BigInt(nowMs),
    encodeAnnouncement(member.announcement),
    limit,
  );
}

function admissionError(failure: ProgramFailure): MyceliumError {
  const [code, message] = admissionProblem(failure);
  return new MyceliumError(code, `Cannot join: ${message}`);
}

function admissionProblem(failure: ProgramFailure): readonly [ErrorCode, string] {
  const isUnique =
    failure.code === "SQLITE_CONSTRAINT_PRIMARYKEY" || failure.code === "SQLITE_CONSTRAINT_UNIQUE";
  const isNull = failure.code === "SQLITE_CONSTRAINT_NOTNULL";
  const { statement: step } = failure;
  if (step === USE_TOKEN && failure.code === CHECK_FAILED) return ["TOKEN_USED", TOKEN_USED_TEXT];
  if (step === USE_TOKEN && isNull) return ["TOKEN_EXPIRED", TOKEN_EXPIRED_TEXT];
  if (step === INSERT_GRANT && isNull) return ["BAD_TOKEN", UNKNOWN_TOKEN_TEXT];
  if ((step === INSERT_GRANT || step === INSERT_NODE) && isUnique) {
    return ["ALREADY_MEMBER", ALREADY_MEMBER_TEXT];
  }
  if (step === INSERT_NODE && isNull) return ["NETWORK_FULL", NETWORK_FULL_TEXT];
  if (step === NOT_REVOKED && isNull) return ["NOT_A_MEMBER", REMOVED_TEXT];
  return [
    codeOfFailure(failure),
    `the network could not record it: ${failure.code}: ${failure.message}`,
  ];
}

export const TOKEN_USED_TEXT =
  "the token has been used as often as it may be; create a new one with `mycelium token create`";
export const TOKEN_EXPIRED_TEXT =
  "the token has expired; create a new one with `mycelium token create`";
export const UNKNOWN_TOKEN_TEXT =
  "the network does not know this token: it is altered or was withdrawn; create a new one with " +
  "`mycelium token create`";
export const ALREADY_MEMBER_TEXT =
  "a node with this id is already a member; if this is a copy of its state directory, give this machine an empty " +
  "one with --state";
const NETWORK_FULL_TEXT =
  "the network has as many nodes as its genesis document allows; remove one with `mycelium node remove ID` first";
export const REMOVED_TEXT =
  "this node was removed from the network; join with a new key (`mycelium leave --wipe`, then `mycelium join`)";
