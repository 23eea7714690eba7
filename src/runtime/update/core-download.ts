/**
 * Fetches the missing chunks of a core: from several peers at once, and from the origin what no peer has. A peer that
 * serves a bad chunk is asked no more; the origin is left alone while peers bring us on, so that of many nodes few go
 * there.
 */

import { MyceliumError, type NodeId } from "../../base/index.ts";
import type { Clock, Logger, Timer } from "../../ports/index.ts";
import {
  CHUNK_METHOD,
  decodeHolding,
  encodeChunkRequest,
  encodeHave,
  HAVE_METHOD,
  type Holding,
  holds,
} from "./chunk-protocol.ts";
import { DownloadSource } from "./download-source.ts";
import type { MissingChunks, PlacedChunk } from "./missing-chunks.ts";

export interface DownloadLimits {
  readonly peerCountMax: number;
  /** Chunks asked for at once, of each peer. */
  readonly inFlightPerPeer: number;
  readonly originInFlight: number;
  readonly originRunBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly tickMs: number;
  /** Between questions to a peer what it has by now. */
  readonly askIntervalMs: number;
  /** Whoever goes to the origin at once first hears what its peers have. */
  readonly peersFirstMs: number;
  /** Without progress from peers, everyone goes to the origin. */
  readonly originAfterMs: number;
  /** Without any progress. */
  readonly giveUpAfterMs: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  peerCountMax: 8,
  inFlightPerPeer: 3,
  originInFlight: 2,
  originRunBytesMax: 524_288,
  requestTimeoutMs: 15_000,
  tickMs: 250,
  askIntervalMs: 1_000,
  peersFirstMs: 1_000,
  originAfterMs: 10_000,
  giveUpAfterMs: 60_000,
};

export interface DownloadParts {
  readonly coreSha256: string;
  readonly missing: MissingChunks;
  /** Nodes that can be asked now. */
  peers(): readonly NodeId[];
  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** False when these bytes are not the chunk. Throws what the disk says. */
  store(chunk: PlacedChunk, bytes: Uint8Array, from: "peer" | "origin"): Promise<boolean>;
  /** The chunks of a run of the pack, unpacked; null for bytes that are no such frame. */
  readOrigin(run: readonly PlacedChunk[]): Promise<readonly (Uint8Array | null)[]>;
  /** Whether this node goes to the origin at once. */
  originFirst(): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: DownloadLimits;
}

class PeerSource extends DownloadSource {
  readonly node: NodeId;
  holding: Holding = { whole: false, bitmap: new Uint8Array(0) };
  nextAskMs = 0;

  constructor(node: NodeId) {
    super();
    this.node = node;
  }
}

export class CoreDownload {
  readonly #parts: DownloadParts;
  readonly #peers = new Map<NodeId, PeerSource>();
  readonly #origin = new DownloadSource();
  readonly #ended = Promise.withResolvers<void>();
  readonly #startMs: number;
  #timer: Timer | null = null;
  #progressMs: number;
  #peerProgressMs: number;
  #isOver = false;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
    this.#startMs = parts.clock.monotonicMs();
    this.#progressMs = this.#startMs;
    this.#peerProgressMs = this.#progressMs;
  }

  /** Resolves when nothing is missing. Rejects with UNREACHABLE (who was asked and why not), or the disk's error. */
  async run(): Promise<void> {
    this.#tick();
    try {
      await this.#ended.promise;
    } finally {
      this.#isOver = true;
      this.#timer?.cancel();
    }
  }

  /** Ends it with this error; what was fetched stays. */
  cancel(error: MyceliumError): void {
    this.#ended.reject(error);
  }

  #tick(): void {
    const { clock, limits } = this.#parts;
    if (this.#isOver) return;
    const nowMs = clock.monotonicMs();
    this.#lookForPeers(nowMs);
    this.#pump();
    const quietMs = nowMs - this.#progressMs;
    if (quietMs >= limits.giveUpAfterMs) this.#ended.reject(this.#nobody(quietMs));
    this.#timer = clock.after(limits.tickMs, () => this.#tick());
  }

  /** Asks every linked peer what it has, again and again: those that fetch as we do have more each time. */
  #lookForPeers(nowMs: number): void {
    const { limits } = this.#parts;
    const linked = new Set(this.#parts.peers());
    for (const [node, peer] of this.#peers) {
      // A bad one stays known, so that it is not asked anew.
      if (!linked.has(node) && peer.inFlight === 0 && !peer.isBad) this.#peers.delete(node);
    }
    for (const node of linked) {
      if (this.#peers.size >= limits.peerCountMax) break;
      if (!this.#peers.has(node)) this.#peers.set(node, new PeerSource(node));
    }
    for (const peer of this.#peers.values()) {
      const isDue = nowMs >= peer.nextAskMs && !peer.holding.whole;
      if (!isDue || !linked.has(peer.node) || !peer.isUsable(nowMs)) continue;
      peer.nextAskMs = nowMs + limits.requestTimeoutMs;
      void this.#ask(peer);
    }
  }

  async #ask(peer: PeerSource): Promise<void> {
    const { clock, coreSha256, limits, request } = this.#parts;
    try {
      const payload = encodeHave(coreSha256);
      peer.holding = decodeHolding(
        await request(peer.node, HAVE_METHOD, payload, limits.requestTimeoutMs),
      );
      this.#pump();
    } catch (error) {
      this.#failed(peer, error);
    }
    peer.nextAskMs = clock.monotonicMs() + limits.askIntervalMs;
  }

  #pump(): void {
    const { limits, missing, clock } = this.#parts;
    if (this.#isOver) return;
    if (missing.count === 0) {
      this.#ended.resolve();
      return;
    }
    const nowMs = clock.monotonicMs();
    for (const peer of this.#peers.values()) {
      while (peer.inFlight < limits.inFlightPerPeer && peer.isUsable(nowMs)) {
        const chunk = missing.takeAny((position) => holds(peer.holding, position));
        if (chunk === null) break;
        void this.#fetchChunk(peer, chunk);
      }
    }
    while (this.#mayAskOrigin(nowMs)) {
      const run = missing.takeRun(limits.originRunBytesMax);
      if (run.length === 0) return;
      void this.#fetchRun(run);
    }
  }

  #mayAskOrigin(nowMs: number): boolean {
    const { limits, originFirst } = this.#parts;
    if (this.#origin.inFlight >= limits.originInFlight || !this.#origin.isUsable(nowMs))
      return false;
    if (this.#peers.size > 0 && nowMs - this.#startMs < limits.peersFirstMs) return false;
    return originFirst() || nowMs - this.#peerProgressMs >= limits.originAfterMs;
  }

  async #fetchChunk(peer: PeerSource, chunk: PlacedChunk): Promise<void> {
    const { coreSha256, limits, request } = this.#parts;
    const { offset, sizeBytes } = chunk;
    const payload = encodeChunkRequest({ core: coreSha256, offset, sizeBytes });
    await this.#fetch(peer, [chunk], async () => [
      await request(peer.node, CHUNK_METHOD, payload, limits.requestTimeoutMs),
    ]);
  }

  #fetchRun(run: readonly PlacedChunk[]): Promise<void> {
    return this.#fetch(this.#origin, run, () => this.#parts.readOrigin(run));
  }

  /** Asks a source for chunks that were taken, keeps the good ones, and gives the rest back. */
  async #fetch(
    source: DownloadSource,
    chunks: readonly PlacedChunk[],
    read: () => Promise<readonly (Uint8Array | null)[]>,
  ): Promise<void> {
    let isGood = false;
    source.inFlight++;
    try {
      const found = await read();
      isGood = true;
      for (const [i, chunk] of chunks.entries()) {
        if (!(await this.#keep(chunk, found[i] ?? null, source))) isGood = false;
      }
      if (isGood) source.succeeded();
      else this.#servedBad(source);
    } catch (error) {
      this.#failed(source, error);
    } finally {
      source.inFlight--;
      for (const chunk of chunks) this.#parts.missing.giveBack(chunk);
    }
    if (isGood) this.#pump();
  }

  async #keep(
    chunk: PlacedChunk,
    bytes: Uint8Array | null,
    source: DownloadSource,
  ): Promise<boolean> {
    const from = source === this.#origin ? "origin" : "peer";
    if (bytes === null) return false;
    // Nothing is written any more once the caller was told how it ended.
    if (this.#isOver) return true;
    try {
      if (!(await this.#parts.store(chunk, bytes, from))) return false;
    } catch (error) {
      this.#ended.reject(error);
      return true;
    }
    this.#parts.missing.done(chunk);
    this.#progressMs = this.#parts.clock.monotonicMs();
    if (from === "peer") this.#peerProgressMs = this.#progressMs;
    return true;
  }

  #servedBad(source: DownloadSource): void {
    source.servedBad();
    const name = source instanceof PeerSource ? source.node : "origin";
    this.#parts.logger.warn("a bad chunk of an update, its source is not asked again", {
      source: name,
    });
  }

  /** What a source refuses is expected; anything else is a bug. */
  #failed(source: DownloadSource, error: unknown): void {
    if (error instanceof MyceliumError) source.failed(error, this.#parts.clock.monotonicMs());
    else this.#ended.reject(error);
  }

  #nobody(quietMs: number): MyceliumError {
    const peers = [...this.#peers.values()].map(
      ({ node, lastError }) => `${node}: ${lastError ?? "it has not what is missing"}`,
    );
    const origin = `the origin: ${this.#origin.lastError ?? "not asked"}`;
    return new MyceliumError(
      "UNREACHABLE",
      `Cannot fetch the new version: ${this.#parts.missing.count} chunks are missing and nothing came for ` +
        `${Math.round(quietMs / 1_000)} s (${[origin, ...peers].join("; ").slice(0, 600)}); it is tried again`,
    );
  }
}
