/**
 * A repository as one refresh found it: complete, matched, fresh. Targets are looked up here, by the roles that metadata
 * delegates to where the top one does not have them. Source: TUF 1.0.34, 5.6.
 */

import {
  type Delegator,
  delegatorOf,
  matchesDelegation,
  metadataPath,
  type TargetFile,
  type Targets,
  type TrustedMetadata,
  tufReasonOf,
  tufRefusal,
} from "../../domain/update/index.ts";
import type { MetadataStore } from "./metadata-store.ts";
import type { Origin } from "./origin.ts";

const TARGETS_SIZE_MAX = 5 * 1_024 * 1_024;
const ROLES_VISITED_MAX = 32;

/** The two that say which targets count, as received. */
interface Heads {
  readonly timestamp: Uint8Array;
  readonly snapshot: Uint8Array;
}

export class TufRepository {
  readonly #store: MetadataStore;
  readonly #trusted: TrustedMetadata;
  readonly #origin: Origin;
  readonly #nowMs: number;
  readonly #heads: Heads;
  readonly #targets = new Map<string, Uint8Array>();

  constructor(
    store: MetadataStore,
    trusted: TrustedMetadata,
    origin: Origin,
    nowMs: number,
    heads: Heads,
  ) {
    this.#store = store;
    this.#trusted = trusted;
    this.#origin = origin;
    this.#nowMs = nowMs;
    this.#heads = heads;
  }

  get isConsistent(): boolean {
    return this.#trusted.isConsistent;
  }

  /** Of the timestamp: what was published later has a higher one. */
  get version(): number {
    return this.#trusted.timestamp?.version ?? 0;
  }

  /** Names of the targets that the top role itself signed. */
  async topTargets(): Promise<readonly string[]> {
    const { targets } = await this.load("targets", this.#trusted.topDelegator);
    return Object.keys(targets);
  }

  /** 5.6.7: through the delegations, in their order and depth first; null when no role that may has it. */
  async find(target: string): Promise<TargetFile | null> {
    const visited = new Set<string>();
    const waiting: Step[] = [{ role: "targets", delegator: this.#trusted.topDelegator }];
    for (let step = waiting.pop(); step !== undefined; step = waiting.pop()) {
      if (visited.has(step.role)) continue;
      if (visited.size === ROLES_VISITED_MAX) return null;
      visited.add(step.role);
      const targets = await this.load(step.role, step.delegator);
      if (Object.hasOwn(targets.targets, target)) return targets.targets[target] ?? null;
      const next: Step[] = [];
      for (const delegation of targets.delegations?.roles ?? []) {
        if (!matchesDelegation(delegation, target)) continue;
        next.push({ role: delegation.name, delegator: delegatorOf(targets, delegation) });
        if (!delegation.terminating) continue;
        waiting.length = 0;
        break;
      }
      waiting.push(...next.toReversed());
    }
    return null;
  }

  /** Metadata of a targets role, verified by this delegator's keys also when another one vouched for it before. */
  async load(role: string, delegator: Delegator): Promise<Targets> {
    const old = this.#targets.get(role) ?? this.#store.read(role);
    if (old !== null) {
      const targets = unlessRefused(() => this.#read(role, delegator, old));
      if (targets !== null) return this.#keep(role, old, targets);
    }
    const file = this.#trusted.targetsFile(role);
    if (file === null) throw tufRefusal("missing", `${role}.json is not named by the snapshot`);
    const path = metadataPath(role, this.isConsistent ? file.version : null);
    const bytes = await this.#origin.read(path, file.length ?? TARGETS_SIZE_MAX);
    const fresh = bytes ?? missing(path, this.#origin);
    const targets = this.#read(role, delegator, fresh);
    this.#store.write(role, fresh);
    return this.#keep(role, fresh, targets);
  }

  /** All metadata that another node needs to come to the same, by path; those named by others first. */
  metadataFiles(): ReadonlyMap<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const version of this.#store.rootVersions()) {
      const bytes = this.#store.readRoot(version);
      const isPast = version <= this.#trusted.root.version;
      if (bytes !== null && isPast) files.set(metadataPath("root", version), bytes);
    }
    for (const [role, bytes] of this.#targets) {
      const version = this.#trusted.targetsFile(role)?.version ?? null;
      files.set(metadataPath(role, this.isConsistent ? version : null), bytes);
    }
    const { version } = this.#trusted.snapshotFile;
    files.set(metadataPath("snapshot", this.isConsistent ? version : null), this.#heads.snapshot);
    files.set(metadataPath("timestamp", null), this.#heads.timestamp);
    return files;
  }

  #read(role: string, delegator: Delegator, bytes: Uint8Array): Targets {
    return this.#trusted.readTargets(role, delegator, bytes, this.#nowMs);
  }

  #keep(role: string, bytes: Uint8Array, targets: Targets): Targets {
    this.#targets.set(role, bytes);
    return targets;
  }
}

interface Step {
  readonly role: string;
  readonly delegator: Delegator;
}

export function missing(path: string, origin: Origin): never {
  throw tufRefusal(
    "missing",
    `${origin.name} has no ${path}; the mirror is not complete, or is being changed just now: try again or use another`,
    { file: path, origin: origin.name },
  );
}

/** What is on this node's own disk may be old or damaged: then it is as if it were not there. */
export function unlessRefused<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (tufReasonOf(error) === undefined) throw error;
    return null;
  }
}
