/** Membership and discovery on one simulated process, wired as the agent wires them. */

import { MemoryGossip, MemoryMetrics } from "../../src/adapters/memory/index.ts";
import { followsNobody, memberView, primaryOf } from "../../src/agent/discovery-views.ts";
import { groupsFor, SYSTEM } from "../../src/agent/groups.ts";
import type { Links } from "../../src/agent/links.ts";
import { loadCachedMembers, MemberUpkeep, readMemberList } from "../../src/agent/member-upkeep.ts";
import type { NodeState } from "../../src/agent/node-state.ts";
import { answerPeer, LEAVE_METHOD } from "../../src/agent/peer-requests.ts";
import { Placement } from "../../src/agent/placement.ts";
import { removeMember } from "../../src/agent/remove-member.ts";
import {
  asRequestId,
  assert,
  EMPTY_BYTES,
  type GroupId,
  MyceliumError,
  type NodeId,
  type Random,
} from "../../src/base/index.ts";
import { type Grant, verifyGrant } from "../../src/domain/identity/index.ts";
import {
  type Capabilities,
  decodeSignedRecord,
  type NodeRecord,
} from "../../src/domain/spore/index.ts";
import type { Logger, PeerHello, SqlService, Transport } from "../../src/ports/index.ts";
import type { Consensus } from "../../src/runtime/consensus/index.ts";
import { Discovery } from "../../src/runtime/discovery/index.ts";
import { BUNDLE_BYTES_MAX, decodeBundle } from "../../src/runtime/discovery/spore-bundle.ts";
import {
  type Announcement,
  createInvite,
  Enrolment,
  type Invite,
  MemberStore,
  Membership,
} from "../../src/runtime/membership/index.ts";
import type { Shard } from "../../src/runtime/store/index.ts";
import type { GrowingNetwork } from "./growing-network.ts";
import type { Machine } from "./machine.ts";

const SPORES_FILE = "spores.cbor";
const READ_DEADLINE_MS = 5_000;
const LEAVE_TIMEOUT_MS = 5_000;
const RELEASE = "0.1.0";
const TOKEN_TTL_MS = 3_600_000;
const PROTOCOL = { protocolVersion: "1.0.0", minProtocolVersion: "1.0.0" } as const;
export const CAPABILITIES: Capabilities = {
  cpuCount: 4,
  memoryBytes: 2 ** 33,
  diskBytes: 2 ** 38,
  arch: "arm64",
  kvm: false,
  bandwidthBitsPerSecond: null,
};

export interface MemberNodeOptions {
  readonly growing: GrowingNetwork;
  readonly machine: Machine;
  readonly state: NodeState;
  readonly consensus: Consensus;
  readonly transport: Transport;
  /** Told of each link by the process. */
  readonly links: Links;
  readonly logger: Logger;
  readonly service: (group: GroupId) => SqlService | null;
  readonly onFatal: (error: unknown) => void;
  /** Told of every link and of every new member list, before anything acts on it. */
  readonly onLink: (peer: NodeId) => void;
  readonly onList: () => void;
}

export class MemberNode {
  readonly membership: Membership;
  readonly links: Links;
  readonly grant: Grant;
  readonly onApplied = new Map<GroupId, () => void>();
  readonly #options: MemberNodeOptions;
  readonly #random: Random;
  readonly #announcement: Announcement;
  #store: MemberStore | null = null;
  #discovery: Discovery | null = null;
  #placement: Placement | null = null;

  constructor(options: MemberNodeOptions) {
    const { machine, onList, state } = options;
    this.#options = options;
    this.#random = machine.random.fork();
    const verdict = verifyGrant(state.grant, state.network, machine.host.wallMs());
    assert(verdict.ok, "a node that joined has a valid grant");
    this.grant = verdict.grant;
    this.#announcement = machine.announcement(options.growing.growth);
    this.links = options.links;
    this.membership = new Membership({
      network: state.network,
      self: machine.node,
      clock: machine.host,
      logger: options.logger,
      read: () => readMemberList(this.#upkeepParts()),
    });
    this.membership.onChange(onList);
    loadCachedMembers({ directory: this.#directory(), membership: this.membership });
  }

  get groups(): readonly GroupId[] {
    return groupsFor(this.grant.role);
  }

  /** Once the shards are open and links can come: null where there is no replica of `system`. */
  async start(system: SqlService | null): Promise<void> {
    const { transport } = this.#options;
    if (system !== null) {
      this.#store = new MemberStore({
        sql: system,
        newRequestId: () => asRequestId(`m${this.#random.u32()}-${this.#random.u32()}`),
        readDeadlineMs: READ_DEADLINE_MS,
      });
      this.#placement = this.#makePlacement(this.#store);
    }
    const changed = () => this.#membersChanged();
    new MemberUpkeep(this.#upkeepParts(), this.#announcement, changed).start();
    this.#placement?.wake();
    const discovery = this.#makeDiscovery();
    await discovery.start();
    this.#discovery = discovery;
    discovery.onPeers((peers) => transport.setPeers(peers));
    transport.setPeers(discovery.peers());
  }

  linkUp(hello: PeerHello): void {
    this.#options.onLink(hello.node);
    this.#discovery?.linkUp(hello.node);
    this.#placement?.wake();
  }

  answer(
    from: NodeId,
    method: string,
    payload: Uint8Array,
    shards: readonly Shard[],
  ): Promise<Uint8Array> {
    const { machine, state } = this.#options;
    const core = {
      membership: this.membership,
      shards: shards.map((shard) => ({ shard })),
      store: this.#store,
      state,
      host: { clock: machine.host },
    };
    return answerPeer(from, method, payload, { core, discovery: this.#discovery, others: [] });
  }

  // What operators and joiners ask.

  async enrol(body: Uint8Array): Promise<Uint8Array> {
    const { machine, state } = this.#options;
    const enrolment = new Enrolment({
      ...state,
      ...PROTOCOL,
      release: RELEASE,
      store: this.#ownStore(),
      memberList: () => this.membership.list(),
      groupsFor,
      clock: machine.host,
      logger: this.#options.logger,
      secretBytes: (sizeBytes) => this.#bytes(sizeBytes),
    });
    return enrolment.handleEnrol(body);
  }

  async invite(role: "validator" | "miner", uses: number): Promise<Invite> {
    const { machine, state } = this.#options;
    return createInvite(
      { ...state, store: this.#ownStore(), secretBytes: (sizeBytes) => this.#bytes(sizeBytes) },
      {
        class: role === "validator" ? "sclerotium" : "rhizomorph",
        role,
        ttlMs: TOKEN_TTL_MS,
        uses,
        addresses: [...this.#announcement.apiAddresses],
      },
      machine.host.wallMs(),
    );
  }

  async leave(): Promise<void> {
    const { consensus, machine, transport } = this.#options;
    if (this.#store !== null) {
      await this.#store.beginLeave(machine.node);
      await consensus.handOverAll();
      return;
    }
    const validator = this.membership
      .members()
      .find(({ id, role }) => role === "validator" && this.links.isUp(id));
    if (validator === undefined) throw new MyceliumError("UNREACHABLE", "no validator is linked");
    await transport.request(validator.id, LEAVE_METHOD, EMPTY_BYTES, LEAVE_TIMEOUT_MS);
  }

  async remove(node: NodeId): Promise<void> {
    const { consensus, machine, service } = this.#options;
    const { membership } = this;
    const store = this.#ownStore();
    await removeMember({ consensus, service, membership, store, clock: machine.host }, node);
  }

  /** How often a token may still be used. */
  async usesLeft(tokenKey: Uint8Array): Promise<number | null> {
    return (await this.#ownStore().findToken(tokenKey))?.usesLeft ?? null;
  }

  /** The records this node would give another one. */
  async records(): Promise<readonly NodeRecord[]> {
    if (this.#discovery === null) return [];
    const { machine } = this.#options;
    const reply = await this.#discovery.handle(machine.node, "spore/records", EMPTY_BYTES);
    assert(reply.length <= BUNDLE_BYTES_MAX, "a bundle within its bound");
    return decodeBundle(reply).records.map(({ record }) => decodeSignedRecord(record).record);
  }

  authority(): string {
    return this.#discovery?.status().authority ?? "none";
  }

  #ownStore(): MemberStore {
    if (this.#store !== null) return this.#store;
    throw new MyceliumError("READ_ONLY", "Cannot do that here: this node is no validator");
  }

  #bytes(sizeBytes: number): Uint8Array {
    return Uint8Array.from({ length: sizeBytes }, () => this.#random.below(256));
  }

  #membersChanged(): void {
    const { transport } = this.#options;
    this.#discovery?.membersChanged();
    transport.setPeers(this.#discovery?.peers() ?? this.membership.peers());
    this.#placement?.wake();
  }

  #directory() {
    const { files } = this.#options.machine;
    return {
      read: (name: string) => files.get(name) ?? null,
      write: (name: string, content: Uint8Array) => void files.set(name, content),
    };
  }

  #upkeepParts() {
    const { consensus, logger, machine, onFatal, state, transport } = this.#options;
    const { grant, links, membership, onApplied } = this;
    return {
      ...{ consensus, grant, links, membership, onApplied, state, transport },
      host: { clock: machine.host, logger, onFatal },
      directory: this.#directory(),
      store: this.#store,
    };
  }

  #makePlacement(store: MemberStore): Placement {
    const { consensus, logger, machine, service } = this.#options;
    return new Placement({
      service,
      self: machine.node,
      consensus,
      membership: this.membership,
      store,
      clock: machine.host,
      logger,
      unseenMs: (node) => (node === machine.node ? 0 : this.links.unseenMs(node)),
    });
  }

  #makeDiscovery(): Discovery {
    const { consensus, growing, logger, machine, onFatal, state, transport } = this.#options;
    const { growth, mesh, network, seed } = growing;
    const directory = this.#directory();
    return new Discovery({
      ...{ network, key: state.key, grant: state.grant, group: SYSTEM, clock: machine.host },
      describe: () => ({
        class: this.grant.class,
        role: this.grant.role,
        addresses: this.#announcement.addresses,
        apiAddresses: this.#announcement.apiAddresses,
        multiaddrs: this.#announcement.multiaddrs,
        softwareVersion: this.#announcement.version,
        ...PROTOCOL,
        features: [],
        capabilities: CAPABILITIES,
      }),
      members: memberView({ consensus, membership: this.membership }),
      links: {
        linked: () =>
          transport
            .links()
            .map(({ node }) => node)
            .filter((node) => this.links.isUp(node)),
        request: (to, method, payload, timeoutMs) =>
          transport.request(to, method, payload, timeoutMs),
      },
      primary: () => primaryOf({ consensus }),
      followsNobody: () => followsNobody({ consensus }),
      gossip: growth.hasGossip ? new MemoryGossip(mesh, machine.node, machine.host) : null,
      seeds: growth.hasSeed ? [seed] : [],
      cache: {
        read: async () => directory.read(SPORES_FILE),
        write: async (content) => directory.write(SPORES_FILE, content),
      },
      random: this.#random.fork(),
      logger,
      metrics: new MemoryMetrics(),
      peerCountMax: 50,
      recordCountMax: 1_024,
      onFatal,
    });
  }
}
