/** For the tests beside it: a network of one node on SQLite in memory, wired as the agent wires it. */

import { expect } from "bun:test";
import { asRequestId, MyceliumError } from "../../base/index.ts";
import {
  createNetwork,
  decodeJoinToken,
  encodeGrantChain,
  type Genesis,
  genesisGrantChain,
  isolationKeyHash,
  type NodeKey,
  nodeKeyFromSeed,
} from "../../domain/identity/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import { SqliteService } from "../../ports/testing/sqlite-service.ts";
import { Enrolment, type EnrolmentOptions } from "./enrolment.ts";
import { createInvite, type InviteRequest } from "./invite.ts";
import { buildEnrolRequest, type JoinOptions, openEnrolReply } from "./join-request.ts";
import type { Announcement } from "./member.ts";
import { MemberStore } from "./member-store.ts";
import { Membership } from "./membership.ts";

export const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
export const key = (n: number) => nodeKeyFromSeed(new Uint8Array(32).fill(n));
export const root = key(1);
const isolationKey = new Uint8Array(32).fill(77);
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
export const announcement: Announcement = {
  addresses: ["10.0.0.2:9090"],
  apiAddresses: ["10.0.0.2:8080"],
  multiaddrs: [],
  validatorWeight: 1,
  version: "0.1.0",
};

function genesis(changes: Partial<Genesis> = {}): Genesis {
  return {
    name: "home",
    timeMs: NOW,
    nodes: [{ id: root.nodeId, class: "sclerotium", role: "validator" }],
    tier0Keys: [root.publicKey],
    tier0Threshold: 1,
    isolationLevel: "strict",
    isolationKeyHash: isolationKeyHash(isolationKey),
    compatibilityVersion: "1.0.0",
    decisionThresholdPercent: 50,
    nodeCountMax: null,
    ...changes,
  };
}

/** A network of one node, as the agent wires it. */
export class World {
  readonly sql = new SqliteService();
  nowMs = NOW;
  #count = 0;
  readonly clock: Clock = {
    wallMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    after: () => ({ cancel() {} }),
  };
  readonly secretBytes = (size: number) => new Uint8Array(size).fill(100 + (this.#count++ % 100));
  readonly store = new MemberStore({
    sql: this.sql,
    newRequestId: () => asRequestId(`r${this.#count++}`),
    readDeadlineMs: 1_000,
  });
  readonly network;
  readonly membership;

  constructor(changes: Partial<Genesis> = {}) {
    this.network = createNetwork(genesis(changes), [root]);
    this.membership = new Membership({
      network: this.network,
      self: root.nodeId,
      clock: this.clock,
      logger: quiet,
      read: () => this.store.readAll(),
    });
  }

  async start(): Promise<this> {
    const first = { id: root.nodeId, class: "sclerotium", role: "validator", tier: 0 } as const;
    await this.store.initialise([{ ...first, announcement }], this.nowMs);
    await this.membership.refresh();
    return this;
  }

  grantOf(node: NodeKey): Uint8Array {
    return encodeGrantChain(genesisGrantChain(node.nodeId));
  }

  enrolment(changes: Partial<EnrolmentOptions> = {}): Enrolment {
    return new Enrolment({
      network: this.network,
      key: root,
      grant: this.grantOf(root),
      isolationKey,
      store: this.store,
      memberList: () => this.membership.list(),
      groupsFor: (role) => (role === "validator" ? ["system", "main"] : ["main"]),
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      release: "0.1.0",
      clock: this.clock,
      logger: quiet,
      secretBytes: this.secretBytes,
      ...changes,
    });
  }

  async invite(changes: Partial<InviteRequest> = {}): Promise<string> {
    const request = { class: "sclerotium", role: "validator", ttlMs: HOUR, uses: 1 } as const;
    const { token } = await createInvite(
      {
        network: this.network,
        key: root,
        grant: this.grantOf(root),
        store: this.store,
        secretBytes: this.secretBytes,
      },
      { ...request, addresses: ["127.0.0.1:8080"], ...changes },
      this.nowMs,
    );
    return token;
  }

  request(token: string, node: NodeKey, changes: Partial<JoinOptions> = {}) {
    return buildEnrolRequest({
      token: decodeJoinToken(token, this.nowMs),
      key: node,
      announcement,
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      wallMs: this.nowMs,
      replySecret: this.secretBytes(32),
      ...changes,
    });
  }

  async join(token: string, node: NodeKey, changes: Partial<JoinOptions> = {}) {
    const pending = this.request(token, node, changes);
    const reply = await this.enrolment().handleEnrol(pending.body);
    await this.membership.refresh();
    return openEnrolReply(pending, reply, this.nowMs);
  }

  /** Everything the network remembers, to see that nothing was left behind. */
  trace(): unknown[] {
    return ["nodes", "tokens", "grants", "revoked"].map((table) =>
      this.sql.rows(`SELECT * FROM _mycelium_${table}`),
    );
  }

  async refused(action: Promise<unknown>): Promise<MyceliumError> {
    const before = this.trace();
    const error = await action.then(
      () => new Error("accepted"),
      (thrown: unknown) => thrown,
    );
    expect(this.trace()).toEqual(before);
    if (error instanceof MyceliumError) return error;
    throw error;
  }
}
