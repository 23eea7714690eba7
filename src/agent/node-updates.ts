/** This node's side of updates, wired: its part in rollouts, the chunks it serves, and the judge of a core on trial. */

import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import {
  fromUtf8,
  MyceliumError,
  messageOf,
  type NodeId,
  SeededRandom,
  utf8,
} from "../base/index.ts";
import { type Status, VERSION } from "../domain/api/index.ts";
import type { HealthBefore } from "../domain/update/index.ts";
import { finite, list, object, text } from "../domain/wire/index.ts";
import type { ReleaseSource } from "../ports/index.ts";
import {
  ChunkServer,
  type Health,
  HealthWatch,
  LauncherUpkeep,
  type NodePart,
  SlotsNodePart,
} from "../runtime/update/index.ts";
import type { Core } from "./core.ts";
import type { Ending } from "./ending.ts";
import { SYSTEM } from "./groups.ts";
import type { OwnSlots } from "./slots.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "x64";
const BEFORE = "update/before.json";
/** Entries behind the commit with which a core on trial counts as unhealthy. */
const LAG_MAX = 10_000;

export interface NodeUpdatesOptions {
  readonly core: Core;
  readonly slots: OwnSlots | null;
  readonly source: ReleaseSource | null;
  status(): Promise<Status>;
  end(ending: Ending): void;
}

export class NodeUpdates {
  readonly part: NodePart;
  readonly #options: NodeUpdatesOptions;
  readonly #server: ChunkServer | null;
  readonly #random = new SeededRandom(randomInt(2 ** 32 - 1));
  #watch: HealthWatch | null = null;
  #launcher: LauncherUpkeep | null = null;

  constructor(options: NodeUpdatesOptions) {
    this.#options = options;
    const { core, slots, source } = options;
    const { clock, logger, metrics } = core.host;
    const server = slots === null ? null : new ChunkServer(slots.store, metrics);
    this.#server = server;
    this.part = new SlotsNodePart({
      slots: slots?.store ?? null,
      source,
      share: (partial) => server?.share(partial),
      arch: ARCH,
      version: VERSION,
      random: this.#random,
      clock,
      logger,
      metrics,
      peers: () =>
        core.transport.links().flatMap((link) => (link.state === "up" ? [link.node] : [])),
      request: (to, method, payload, timeoutMs) =>
        core.transport.request(to, method, payload, timeoutMs),
      originFirst: () => core.consensus.groupStatus(SYSTEM)?.leader === core.grant.member,
      health: () => this.#health(),
      saveBefore: (before) => saveBefore(core, before),
      checkLauncher: () => slots?.checkLauncher(),
      restart: () => options.end({ kind: "switch" }),
    });
  }

  /** Judges this core, if it is on trial. Once the node serves. */
  start(): void {
    const { core, slots, source } = this.#options;
    const { config, host } = core;
    if (slots === null) return;
    if (source !== null) this.#launcher = this.#keepLauncher(slots, source);
    if (this.part.view().phase !== "trial") return;
    this.#watch = new HealthWatch({
      slots: slots.store,
      before: readBefore(core),
      intervalMs: config.updateHealthIntervalMs,
      confirmAfterMs: config.updateConfirmAfterMs,
      memoryMaxBytes: config.updateMemoryMaxBytes,
      health: () => this.#health(),
      restart: () => this.#options.end({ kind: "switch" }),
      ...host,
    });
    host.logger.info("this version is on trial", { version: VERSION });
  }

  /** Why the launcher is not that of the running release; null while it is. */
  launcherProblem(): string | null {
    return this.#launcher?.problem() ?? null;
  }

  serves(method: string): boolean {
    return this.#server?.serves(method) === true;
  }

  async handle(_from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    if (this.#server !== null) return this.#server.handle(method, payload);
    throw new MyceliumError("UNREACHABLE", "Cannot serve a chunk: this node has no slots");
  }

  stop(): void {
    this.#watch?.stop();
    this.#launcher?.stop();
  }

  #keepLauncher(slots: OwnSlots, source: ReleaseSource): LauncherUpkeep {
    const { config, host } = this.#options.core;
    return new LauncherUpkeep({
      slots: slots.store,
      source,
      arch: ARCH,
      version: VERSION,
      intervalMs: config.updateCheckIntervalMs,
      installed: () => slots.installed(),
      install: (shipped, sums, signature) => slots.install(shipped, sums, signature),
      random: this.#random,
      ...host,
    });
  }

  async #health(): Promise<Health> {
    const { core, status } = this.#options;
    const { memoryBytes, problems, store } = await status();
    const faults = problems.filter(({ severity }) => severity === "fault").map(({ what }) => what);
    const behind = store.shards
      .filter(({ lag }) => lag > LAG_MAX)
      .map(({ name, lag }) => `${name} is ${lag} entries behind`);
    const { failure, groups } = core.consensus.status();
    const critical = [
      ...core.host.damages,
      ...(failure === null ? [] : [`consensus has failed: ${failure.message}`]),
      ...groups
        .filter(({ damagedUpTo }) => damagedUpTo !== null)
        .map(({ group }) => `the log of ${group} is damaged`),
    ];
    return { memoryBytes, faults: [...faults, ...behind], critical };
  }
}

function saveBefore({ directory }: Core, before: HealthBefore): void {
  mkdirSync(directory.file("update"), { recursive: true, mode: 0o700 });
  directory.write(BEFORE, utf8(`${JSON.stringify(before)}\n`));
}

const beforeShape = object({
  version: text(64),
  faults: list(text(4_096), 1_000),
  memoryBytes: finite,
});

/** Null where there is none that can be read: then the new core is judged by its own health alone. */
function readBefore({ directory, host }: Core): HealthBefore | null {
  try {
    const content = directory.read(BEFORE);
    return content === null ? null : beforeShape(JSON.parse(fromUtf8(content)), BEFORE);
  } catch (error) {
    host.logger.warn("what was wrong before the update is not known", { reason: messageOf(error) });
    return null;
  }
}
