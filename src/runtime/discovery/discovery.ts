/**
 * Who is out there, and where: keeps the latent map, publishes this node's record, proves the primary, reads and
 * writes seeds. Sources are asked in this order: cached spores and known members at once, seeds while
 * nobody is linked, records of others by gossip and from linked peers, the LAN through the gossip adapter.
 *
 * On each message and timer: check -> merge -> tell who the peers are, if that changed. What a peer sends can be
 * wrong in any way; it is refused, never thrown.
 */

import {
  errorCodeOf,
  type GroupId,
  MyceliumError,
  messageOf,
  type NodeId,
  type Random,
} from "../../base/index.ts";
import type { Network, NodeKey } from "../../domain/identity/index.ts";
import {
  type Authority,
  type Claim,
  decodeSignedRecord,
  encodePrimaryProof,
  encodeSeedSpore,
  encodeSignedRecord,
  FLAP_GAP_MS,
  LatentMap,
  orderClaims,
  PROOF_INTERVAL_MS,
  type PrimaryProof,
  provenAuthority,
  RECORD_LIFE_MS,
} from "../../domain/spore/index.ts";
import type {
  Clock,
  Gossip,
  Logger,
  Metrics,
  PeerAddress,
  SeedStorage,
} from "../../ports/index.ts";
import type { LinkView, MemberView, PrimaryState, SelfDescription, SporeCache } from "./parts.ts";
import { PeerBook } from "./peer-book.ts";
import { PROVE_METHOD, Prover } from "./prover.ts";
import { RECORDS_METHOD, RecordPuller } from "./record-puller.ts";
import { Repeat } from "./repeat.ts";
import { SeedKeeper, type SeedStatus } from "./seed-keeper.ts";
import { SelfRecord } from "./self-record.ts";
import { BUNDLE_BYTES_MAX, decodeBundle, encodeBundle, type SporeBundle } from "./spore-bundle.ts";
import { SporeIntake } from "./spore-intake.ts";

export interface DiscoveryOptions {
  readonly network: Network;
  readonly key: NodeKey;
  /** This node's encoded grant chain. */
  readonly grant: Uint8Array;
  readonly describe: () => SelfDescription;
  readonly members: MemberView;
  readonly links: LinkView;
  /** The Raft group that is the primary, and this node's replica of it; null where there is none. */
  readonly group: GroupId;
  readonly primary: () => PrimaryState | null;
  /**
   * True while no group of this node's has a leader: those it is linked with are cut off as it is, or are members no
   * more and do not know it.
   */
  readonly followsNobody: () => boolean;
  /** Null when gossip is off: records then spread over links only. */
  readonly gossip: Gossip | null;
  /** In the order in which they are read. */
  readonly seeds: readonly SeedStorage[];
  readonly cache: SporeCache;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Links and gossip peers named at most. */
  readonly peerCountMax: number;
  /** Node records kept at most. */
  readonly recordCountMax: number;
  /** A bug was found: the agent ends. */
  readonly onFatal: (error: unknown) => void;
}

export interface SporeStatus {
  readonly authority: Authority;
  readonly latent: number;
  readonly cached: number;
  readonly gossipPeers: number;
  readonly seeds: readonly SeedStatus[];
}

const RECORDS_TOPIC = "mycelium/records/1";
const PRIMARY_TOPIC = "mycelium/primary/1";

/** A record is published three times in its life. */
const PUBLISH_INTERVAL_MS = RECORD_LIFE_MS / 3;
const CHANGE_INTERVAL_MS = 5_000;
const PULL_LOOK_MS = 5_000;
const PULL_BYTES_MAX = 1 << 20;
const CACHE_INTERVAL_MS = 30_000;
/** Without news the cache is written this often: half of the absence that would end a period of activity. */
const CACHE_AGE_MAX_MS = FLAP_GAP_MS / 2;
/** Cached spores and known members get this long before seeds are read. */
const SEED_WAIT_MS = 2_000;
const SEED_READ_INTERVAL_MS = 30_000;
const SEED_WRITE_INTERVAL_MS = 60_000;

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #latent: LatentMap;
  readonly #self: SelfRecord;
  readonly #book: PeerBook;
  readonly #prover: Prover;
  readonly #intake: SporeIntake;
  readonly #seeds: SeedKeeper;
  readonly #puller: RecordPuller;
  readonly #repeats: readonly Repeat[];
  readonly #listeners = new Set<(peers: readonly PeerAddress[]) => void>();
  #seedProof: PrimaryProof | null = null;
  #peers = "";
  #cachedCount = 0;
  #cacheIsStale = false;
  #cachedAtMs = Number.NEGATIVE_INFINITY;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #gossipPeerCount = 0;
  #seedWrittenAtMs = Number.NEGATIVE_INFINITY;
  #seedIsStale = true;
  #stopped = false;

  constructor(options: DiscoveryOptions) {
    const { network, key, grant, peerCountMax, recordCountMax, clock, logger } = options;
    this.#options = options;
    this.#latent = new LatentMap(recordCountMax);
    this.#self = new SelfRecord(network.id, key, grant);
    this.#book = new PeerBook(key.nodeId, peerCountMax);
    this.#prover = new Prover(options, this.#latent);
    this.#intake = new SporeIntake(options, {
      latent: this.#latent,
      prover: this.#prover,
      self: this.#self,
    });
    this.#seeds = new SeedKeeper(options.seeds, clock, logger);
    this.#puller = new RecordPuller(options, (bundle, from) => this.#pulled(bundle, from));
    this.#repeats = [
      this.#repeat(CHANGE_INTERVAL_MS, () => this.#publishIfDue()),
      this.#repeat(PROOF_INTERVAL_MS, () => this.#proveAndSeed()),
      this.#repeat(SEED_READ_INTERVAL_MS, () => this.#readSeedsIfAlone()),
      this.#repeat(PULL_LOOK_MS, () => this.#puller.pullIfDue()),
      this.#repeat(CACHE_INTERVAL_MS, () => this.#saveCache()),
    ];
  }

  /** Reads the cache, then starts gossip. Throws PORT_TAKEN. Resolves with the gossip port; null when it is off. */
  async start(): Promise<number | null> {
    await this.#loadCache();
    const handler = {
      message: (topic: string, from: NodeId, payload: Uint8Array) =>
        this.#gossiped(topic, from, payload),
      peerFound: (node: NodeId, multiaddrs: readonly string[]) => {
        if (this.#book.found(node, multiaddrs)) this.#tellPeers();
      },
    };
    const { gossip } = this.#options;
    const started = await gossip?.start(handler, [RECORDS_TOPIC, PRIMARY_TOPIC]);
    this.#tellPeers();
    const [publish, prove, readSeeds, pull, save] = this.#repeats;
    publish?.start(0);
    prove?.start(0);
    readSeeds?.start(SEED_WAIT_MS);
    pull?.start(PULL_LOOK_MS);
    save?.start(CACHE_INTERVAL_MS);
    return started?.port ?? null;
  }

  /** Saves the cache and closes gossip. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const repeat of this.#repeats) repeat.stop();
    await this.#attempt("spores not saved", () => this.#saveCache());
    await this.#options.gossip?.close();
  }

  /** The peers to keep links with. */
  peers(): readonly PeerAddress[] {
    return this.#book.linkPeers(this.#latent, this.#options.members);
  }

  /** Called with each list of peers that differs from the one before. Returns how to stop that. */
  onPeers(listener: (peers: readonly PeerAddress[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The member list changed: revoked nodes are forgotten. */
  membersChanged(): void {
    for (const { signed } of this.#latent.entries()) {
      const { node } = signed.record;
      if (this.#options.members.isRevoked(node)) this.#latent.exclude(node);
    }
    this.#noteChange();
  }

  /** A link is up: the other side may know nodes that this one does not. */
  linkUp(node: NodeId): void {
    this.#latent.seen(node, this.#options.clock.wallMs());
    void this.#attempt("spores not pulled", () => this.#puller.linkUp(node));
  }

  /** Leadership of the primary changed: a new leader proves itself at once. */
  primaryChanged(): void {
    void this.#attempt("primary not proved", () => this.#proveAndSeed());
  }

  serves(method: string): boolean {
    return method === PROVE_METHOD || method === RECORDS_METHOD;
  }

  /** Answers a member's request. Rejects with MALFORMED, FORBIDDEN, BAD_ARGUMENT. */
  async handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    if (method === PROVE_METHOD) return this.#prover.answer(from, payload);
    if (method === RECORDS_METHOD) return encodeBundle(this.#intake.bundle(), PULL_BYTES_MAX);
    throw new MyceliumError("BAD_ARGUMENT", `Cannot answer ${method.slice(0, 64)}: unknown method`);
  }

  status(): SporeStatus {
    return {
      authority: this.#authority(),
      latent: this.#latent.count,
      cached: this.#cachedCount,
      gossipPeers: this.#options.gossip?.peerCount() ?? 0,
      seeds: this.#seeds.status(),
    };
  }

  #authority(): Authority {
    const { primary, clock } = this.#options;
    if (primary()?.leader) return "primary";
    const claims: Claim[] = [
      { authority: "primary", proof: this.#prover.best },
      { authority: "seed", proof: this.#seedProof },
    ];
    const [best] = orderClaims(claims, clock.wallMs());
    const proven = best === undefined ? "none" : provenAuthority(best, clock.wallMs());
    if (proven === "primary" || proven === "seed") return proven;
    const others = this.#latent.entries().filter(({ signed }) => !this.#isSelf(signed.record.node));
    if (others.some(({ seenAtMs }) => clock.wallMs() - seenAtMs <= RECORD_LIFE_MS)) return "latent";
    return this.#cachedCount > 0 ? "cached" : "none";
  }

  #isSelf(node: NodeId): boolean {
    return node === this.#options.key.nodeId;
  }

  /** Returns false for what its sender should not have passed on. */
  #gossiped(topic: string, from: NodeId, payload: Uint8Array): boolean {
    if (topic !== RECORDS_TOPIC) return this.#intake.takeProof(payload) !== "invalid";
    const taken = this.#intake.takeRecord(payload, from, this.#options.clock.wallMs());
    if (taken === "news") this.#noteChange();
    return taken !== "refused";
  }

  #noteChange(): void {
    this.#cacheIsStale = true;
    this.#seedIsStale = true;
    this.#options.metrics.gauge("mycelium_spores_latent", this.#latent.count);
    this.#tellPeers();
  }

  #tellPeers(): void {
    const peers = this.peers();
    const gossipPeers = this.#book.gossipPeers(this.#latent, this.#options.members);
    const told = JSON.stringify([peers, gossipPeers]);
    if (told === this.#peers || this.#stopped) return;
    this.#peers = told;
    this.#options.gossip?.setPeers(gossipPeers);
    for (const listener of this.#listeners) listener(peers);
  }

  async #publishIfDue(): Promise<void> {
    const { clock, describe, gossip, links } = this.#options;
    for (const node of links.linked()) this.#latent.seen(node, clock.wallMs());
    const description = describe();
    const peerCount = gossip?.peerCount() ?? 0;
    const hasChanged = this.#self.hasChanged(description);
    const isDue =
      hasChanged ||
      clock.monotonicMs() - this.#publishedAtMs >= PUBLISH_INTERVAL_MS ||
      (peerCount > 0 && this.#gossipPeerCount === 0);
    this.#gossipPeerCount = peerCount;
    if (!isDue) return;
    const signed = this.#self.sign(description, clock.wallMs());
    this.#publishedAtMs = clock.monotonicMs();
    this.#latent.merge(signed, clock.wallMs());
    if (hasChanged) this.#noteChange();
    await gossip?.publish(RECORDS_TOPIC, encodeSignedRecord(signed));
  }

  #pulled(bundle: SporeBundle, from: NodeId): void {
    if (this.#stopped) return;
    const placeOf = () => this.#latent.get(from)?.signed.record.addresses.join();
    const before = placeOf();
    if (this.#intake.takeBundle(bundle, from)) this.#noteChange();
    // If both lose power and one moves, nobody but this disk may know where the other is.
    if (placeOf() !== before) void this.#attempt("spores not saved", () => this.#saveCache());
  }

  async #proveAndSeed(): Promise<void> {
    const { clock, gossip } = this.#options;
    const proof = await this.#prover.prove();
    if (proof === null || this.#stopped) return;
    await this.#attempt("proof not published", async () =>
      gossip?.publish(PRIMARY_TOPIC, encodePrimaryProof(proof)),
    );
    const ageMs = clock.monotonicMs() - this.#seedWrittenAtMs;
    if (this.#seedIsStale || ageMs >= SEED_WRITE_INTERVAL_MS) await this.#writeSeed(proof);
  }

  async #writeSeed(proof: PrimaryProof): Promise<void> {
    const { clock, key, network, seeds } = this.#options;
    if (!seeds.some(({ writable }) => writable)) return;
    this.#seedIsStale = false;
    this.#seedWrittenAtMs = clock.monotonicMs();
    const recent = [...this.#latent.entries()].sort((a, b) => b.seenAtMs - a.seenAtMs);
    const content = encodeSeedSpore(key, {
      networkId: network.id,
      writer: key.nodeId,
      issuedAtMs: clock.wallMs(),
      proof,
      records: recent.map(({ signed }) => encodeSignedRecord(signed)),
    });
    await this.#seeds.write(content);
  }

  async #readSeedsIfAlone(): Promise<void> {
    const { followsNobody, links, primary } = this.#options;
    if (primary()?.leads === true || (links.linked().length > 0 && !followsNobody())) return;
    const meet = (records: readonly Uint8Array[], issuedAtMs: number) => {
      const heard = records.map((record) => ({ record, seenAtMs: issuedAtMs }));
      if (this.#intake.takeRecords(heard, null)) this.#noteChange();
    };
    const seeds = await this.#seeds.read(this.#prover.context(), meet);
    this.#seedProof = seeds[0]?.proof ?? null;
  }

  /** The cache is a help, not a need: a damaged one is told and left. */
  async #loadCache(): Promise<void> {
    const { cache, clock, key } = this.#options;
    await this.#attempt("cached spores not read", async () => {
      const content = await cache.read();
      if (content === null) return;
      const bundle = decodeBundle(content);
      this.#cachedCount = bundle.records.length;
      const own = bundle.records
        .map(({ record }) => decodeSignedRecord(record))
        .find(({ record }) => record.node === key.nodeId);
      this.#self.begin(own ?? null, clock.wallMs());
      this.#intake.takeBundle(bundle, null);
    });
  }

  async #saveCache(): Promise<void> {
    const { clock } = this.#options;
    const isOld = clock.monotonicMs() - this.#cachedAtMs >= CACHE_AGE_MAX_MS;
    if (!this.#cacheIsStale && !isOld && !this.#stopped) return;
    this.#cacheIsStale = false;
    this.#cachedAtMs = clock.monotonicMs();
    const bundle = this.#intake.bundle();
    await this.#options.cache.write(encodeBundle(bundle, BUNDLE_BYTES_MAX));
    this.#cachedCount = bundle.records.length;
  }

  #repeat(intervalMs: number, step: () => Promise<void>): Repeat {
    return new Repeat(this.#options, intervalMs, () => this.#attempt("discovery delayed", step));
  }

  /** Expected failures are told and left to the next round; a bug ends the agent. */
  async #attempt(message: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (errorCodeOf(error) === undefined) this.#options.onFatal(error);
      else this.#options.logger.debug(message, { reason: messageOf(error) });
    }
  }
}
