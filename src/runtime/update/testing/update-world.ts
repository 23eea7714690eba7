/** For tests: nodes with slots in memory under one virtual clock, links of some speed, and an origin that counts. */

import { zstdCompressSync } from "node:zlib";
import {
  MemoryHost,
  MemorySlotDisk,
  MemorySlots,
  Scheduler,
} from "../../../adapters/memory/index.ts";
import { asNodeId, MyceliumError, type NodeId, SeededRandom } from "../../../base/index.ts";
import {
  type ChunkIndex,
  chunksOf,
  encodeChunkIndex,
  type Release,
  type ReleaseTarget,
  releaseDigest,
  type SlotCore,
} from "../../../domain/update/index.ts";
import type { Logger, Metrics } from "../../../ports/index.ts";
import { ChunkServer } from "../chunk-server.ts";
import type { Health } from "../health-watch.ts";
import { SlotsNodePart } from "../slots-node-part.ts";

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const uncounted: Metrics = { count() {}, gauge() {}, observeSeconds() {} };
const LINK_MS = 5;

export function noise(sizeBytes: number, seed: number): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: sizeBytes }, () => random.below(256));
}

function sha256Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** A release of one architecture, as a release directory would serve it. */
export class MadeRelease {
  readonly target: ReleaseTarget;
  readonly release: Release;
  readonly index: ChunkIndex;
  readonly pack: Uint8Array;
  readonly bytes: Uint8Array;

  constructor(version: string, bytes: Uint8Array, stateFormat = 1) {
    this.bytes = bytes;
    const frames = new Map<string, { readonly offset: number; readonly frame: Uint8Array }>();
    let packSize = 0;
    const chunks = [...chunksOf(bytes)].map(({ offset, sizeBytes }) => {
      const piece = bytes.subarray(offset, offset + sizeBytes);
      const sha256 = sha256Of(piece);
      const known = frames.get(sha256) ?? { offset: packSize, frame: zstdCompressSync(piece) };
      if (!frames.has(sha256)) packSize += known.frame.length;
      frames.set(sha256, known);
      return { sha256, sizeBytes, packOffset: known.offset, packSizeBytes: known.frame.length };
    });
    this.pack = new Uint8Array(Buffer.concat([...frames.values()].map(({ frame }) => frame)));
    const coreSha256 = sha256Of(bytes);
    this.index = { version, coreSha256, coreSizeBytes: bytes.length, chunks };
    this.target = {
      version,
      arch: "x64",
      coreSha256,
      coreSizeBytes: bytes.length,
      shippedSha256: "0".repeat(64),
      shippedSizeBytes: this.pack.length,
      stateFormat,
      protocol: 1,
      minProtocol: 1,
      sqlite: "3.53.4",
      builtAtMs: 1,
    };
    const targets = [this.target];
    this.release = {
      version,
      channel: "stable",
      notes: "",
      targets,
      digest: releaseDigest(targets),
    };
  }

  get core(): SlotCore {
    const { coreSha256: sha256, version, stateFormat } = this.target;
    return { sha256, version, stateFormat };
  }
}

/** Counts what is fetched from it. */
export class FakeOrigin {
  readonly #world: UpdateWorld;
  packBytes = 0;
  /** Targets that were fetched as whole files. */
  readonly downloads: string[] = [];
  isReachable = true;
  /** What it serves in place of the truth. */
  falsify: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes;
  bytesPerMs = 1_000;

  constructor(world: UpdateWorld) {
    this.#world = world;
  }

  async read(target: string): Promise<Uint8Array> {
    return encodeChunkIndex(this.#made(target).index);
  }

  async readRange(target: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const { pack } = this.#made(target);
    await this.#world.pause(20 + sizeBytes / this.bytesPerMs);
    if (!this.isReachable) throw new MyceliumError("UNREACHABLE", "Cannot reach the origin");
    this.packBytes += sizeBytes;
    return this.falsify(pack.slice(offset, offset + sizeBytes));
  }

  async download(target: string): Promise<string> {
    const { bytes } = this.#made(target);
    for (const { disk } of this.#world.nodes) disk.shipped.set(target, bytes);
    this.downloads.push(target);
    return target;
  }

  async discardDownloads(): Promise<void> {}

  #made(target: string): MadeRelease {
    const made = this.#world.releases.find(({ target: { version } }) =>
      target.startsWith(`${version}/`),
    );
    if (made === undefined) throw new MyceliumError("UPDATE_REFUSED", `no target ${target}`);
    return made;
  }
}

export interface WorldNode {
  readonly id: NodeId;
  readonly disk: MemorySlotDisk;
  readonly part: SlotsNodePart;
  readonly server: ChunkServer;
  isUp: boolean;
  /** What it serves in place of the truth. */
  falsify: (bytes: Uint8Array) => Uint8Array;
  servedBytes: number;
  restarts: number;
}

export class UpdateWorld {
  readonly scheduler: Scheduler;
  readonly host: MemoryHost;
  readonly releases: MadeRelease[] = [];
  readonly nodes: WorldNode[] = [];
  readonly origin = new FakeOrigin(this);
  leader: NodeId | null = null;
  health: Health = { memoryBytes: 1, faults: [], critical: [] };

  constructor(seed = 1) {
    this.scheduler = new Scheduler(seed);
    this.host = new MemoryHost("all", this.scheduler);
  }

  add(base: MadeRelease, withOrigin = true): WorldNode {
    const id = asNodeId(`node-${this.nodes.length}`);
    const disk = new MemorySlotDisk(base.core, base.bytes);
    const slots = new MemorySlots(disk);
    const server = new ChunkServer(slots, uncounted);
    const part = new SlotsNodePart({
      slots,
      source: withOrigin ? this.origin : { ...lost, read: (target) => this.origin.read(target) },
      share: (partial) => server.share(partial),
      arch: "x64",
      version: base.core.version,
      random: this.scheduler.random.fork(),
      clock: this.host,
      logger: quiet,
      metrics: uncounted,
      peers: () => this.nodes.filter((one) => one.isUp && one.id !== id).map((one) => one.id),
      request: (to, method, payload) => this.#request(to, method, payload),
      originFirst: () => this.leader === id,
      health: async () => this.health,
      saveBefore: () => {},
      checkLauncher: () => {},
      restart: () => {
        node.restarts++;
      },
    });
    const node: WorldNode = {
      id,
      disk,
      part,
      server,
      isUp: true,
      falsify: (bytes) => bytes,
      servedBytes: 0,
      restarts: 0,
    };
    this.nodes.push(node);
    return node;
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.host.after(delayMs, resolve));
  }

  settle<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    return this.scheduler.settle(promise, limitMs);
  }

  async #request(to: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    await this.pause(LINK_MS);
    const node = this.nodes.find(({ id }) => id === to);
    if (node === undefined || !node.isUp) throw new MyceliumError("UNREACHABLE", "no link");
    const answer = await node.server.handle(method, payload);
    if (method !== "update.chunk") return answer;
    node.servedBytes += answer.length;
    return node.falsify(answer);
  }
}

async function away(): Promise<never> {
  throw new MyceliumError("UNREACHABLE", "this node has no way to the origin");
}

const lost = { readRange: away, download: away, discardDownloads: away };
