/**
 * What a publisher does to a release directory: add a release, roll a channel back, sign anew, change keys. Each
 * either happens as a whole or leaves the directory as it was.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { compareVersions } from "../../src/domain/config/index.ts";
import {
  type Architecture,
  CHANNELS,
  type Channel,
  targetNames,
} from "../../src/domain/update/index.ts";
import { type ArtifactOptions, type Artifacts, CACHE, makeArtifacts } from "./artifacts.ts";
import { sha256Of, sha256OfFile } from "./files.ts";
import type { KeyDirectory } from "./keys.ts";
import type { TargetEntries, TargetEntry } from "./metadata.ts";
import {
  channelVersion,
  pathOfTarget,
  sbomTargetName,
  stageChannel,
  stageDirectory,
} from "./release-directory.ts";
import { customFields } from "./release-facts.ts";
import {
  firstRoot,
  nextDocuments,
  nextRoot,
  type Repository,
  readRepository,
} from "./repository.ts";
import { sbom } from "./sbom.ts";
import { Staging } from "./staging.ts";

export interface ReleaseOptions {
  readonly out: string;
  readonly keys: KeyDirectory;
  readonly version: string;
  readonly channel: Channel;
  readonly notes: string;
  readonly architectures: readonly Architecture[];
  readonly compression: "quick" | "small";
  /** Cores that are released as they are, for trials. */
  readonly cores: Readonly<Partial<Record<Architecture, string>>>;
  /** What they say of the SQLite inside; this Bun's when left out. */
  readonly sqlite?: string | undefined;
  readonly url: string | null;
  /** For artifacts that are made once; .cache/release when left out. */
  readonly cache?: string;
  readonly builtAtMs: number;
  readonly nowMs: number;
}

/** Adds a version, and moves the channel to it. Returns what was made. */
export async function addRelease(options: ReleaseOptions): Promise<Artifacts[]> {
  return changing(options.out, async (staging) => {
    const { out, keys, version, notes, url, nowMs } = options;
    const old = readRepository(out);
    requireNewer(old, options);
    const root = old === null ? firstRoot(keys, nowMs) : null;
    const trustedRoot = Buffer.from(root?.bytes ?? old?.rootBytes ?? []).toString();
    const artifacts: Artifacts[] = [];
    for (const arch of options.architectures) {
      artifacts.push(await makeArtifacts(recipeOf(options, arch, trustedRoot)));
    }
    const fresh = stageVersion(
      staging,
      options,
      artifacts,
      root?.version ?? old?.root.version ?? 1,
    );
    requireUnchanged(old, fresh);
    const targets: Record<string, TargetEntry> = { ...old?.targets.targets, ...fresh };
    for (const name of channelsToMove(old, options)) {
      Object.assign(targets, stageChannel(staging, name, version, notes));
    }
    stageDirectory(staging, { old, targets, root, keys, url, nowMs });
    return artifacts;
  });
}

function recipeOf(
  { version, builtAtMs, compression, cores, cache = CACHE }: ReleaseOptions,
  arch: Architecture,
  trustedRoot: string,
): ArtifactOptions {
  return {
    ...{ arch, version, builtAtMs, trustedRoot, compression, cache },
    compiler: compression === "quick" ? "any" : "pinned",
    coreFile: cores[arch] ?? null,
  };
}

export interface SigningOptions {
  readonly out: string;
  readonly keys: KeyDirectory;
  readonly nowMs: number;
}

export interface ChannelOptions extends SigningOptions {
  readonly version: string;
  readonly channel: Channel;
}

/** New metadata in which the channel names an older version: nodes take it as they take a newer one. */
export async function rollBack(options: ChannelOptions): Promise<void> {
  await moveChannel(options, "roll", "back to", (to, from) => to < from);
}

/** New metadata in which the channel names a version that another channel has had. */
export async function promote(options: ChannelOptions): Promise<void> {
  await moveChannel(options, "move", "on to", (to, from) => to > from);
}

async function moveChannel(
  { out, keys, nowMs, version, channel }: ChannelOptions,
  verb: string,
  direction: string,
  isRight: (to: number, from: number) => boolean,
): Promise<void> {
  await changingExisting(out, (staging, old) => {
    const { targets } = old.targets;
    const versions = versionsOf(targets);
    const current = channelVersion((path) => join(out, path), targets, channel);
    const [to, from] = [versions.indexOf(version), versions.indexOf(current ?? "")];
    if (to < 0 || !isRight(to, from)) {
      throw new Error(
        `Cannot ${verb} ${channel} ${direction} ${version}: it is at ${current ?? "nothing"}, ` +
          `and the directory has ${versions.join(", ")}`,
      );
    }
    const entry = stageChannel(staging, channel, version, `${direction} ${version}`);
    const changed = { ...targets, ...entry };
    stageDirectory(staging, { old, targets: changed, root: null, keys, url: null, nowMs });
  });
}

/** The daily job: a new timestamp, for which its key alone is needed. */
export async function refreshTimestamp({ out, keys, nowMs }: SigningOptions): Promise<void> {
  await changingExisting(out, (staging, old) => {
    for (const { path, bytes } of nextDocuments(old, { targets: null, root: null }, keys, nowMs)) {
      staging.write(path, bytes);
    }
  });
}

/** Targets and snapshot as they are, for another year. */
export async function refreshAll({ out, keys, nowMs }: SigningOptions): Promise<void> {
  await changingExisting(out, (staging, old) => {
    const { targets } = old.targets;
    stageDirectory(staging, { old, targets, root: null, keys, url: null, nowMs });
  });
}

/** A new root, which gives every role the keys of `nextKeys`; all is signed anew with them. */
export async function rotateRoot(
  options: SigningOptions & { readonly nextKeys: KeyDirectory },
): Promise<void> {
  await changingExisting(options.out, (staging, old) => {
    const { keys, nextKeys, nowMs } = options;
    const root = nextRoot(old, keys, nextKeys, nowMs);
    const { targets } = old.targets;
    stageDirectory(staging, { old, targets, root, keys: nextKeys, url: null, nowMs });
  });
}

/** The chunk index of what is newest in the directory, for comparing; null where there is none. */
export function newestIndex(out: string, arch: Architecture): string | null {
  const targets = readRepository(out)?.targets.targets ?? {};
  const version = versionsOf(targets).at(-1) ?? "";
  const name = targetNames(version, arch).chunks;
  const entry = targets[name];
  return entry === undefined ? null : join(out, pathOfTarget(name, entry));
}

async function changing<T>(out: string, work: (staging: Staging) => Promise<T>): Promise<T> {
  const staging = new Staging(out);
  try {
    const result = await work(staging);
    staging.publish();
    return result;
  } finally {
    staging.close();
  }
}

async function changingExisting(
  out: string,
  work: (staging: Staging, old: Repository) => void,
): Promise<void> {
  // Before anything is made beside it; and again once nobody else changes it.
  requireRepository(out);
  await changing(out, async (staging) => work(staging, requireRepository(out)));
}

function requireRepository(out: string): Repository {
  const repository = readRepository(out);
  if (repository !== null) return repository;
  throw new Error(
    `Cannot change ${out}: it holds no release; make one with \`build/release --out\``,
  );
}

/** A channel goes forward by releases and back by `rollBack` only. */
function requireNewer(old: Repository | null, { out, version, channel }: ReleaseOptions): void {
  if (compareVersions(version, version) === null) {
    throw new Error(`Cannot release ${version}: a version is three numbers, as 0.2.0`);
  }
  if (old === null) return;
  const current = channelVersion((path) => join(out, path), old.targets.targets, channel);
  if (current === null || (compareVersions(version, current) ?? 1) >= 0) return;
  throw new Error(
    `Cannot release ${version} to ${channel}: it is at ${current}; raise the version, or go back with --rollback`,
  );
}

/** A release to stable takes edge with it, unless that is ahead. */
function channelsToMove(
  old: Repository | null,
  { out, version, channel }: ReleaseOptions,
): Channel[] {
  return CHANNELS.filter((name) => {
    if (name === channel) return true;
    if (channel !== "stable") return false;
    const targets = old?.targets.targets ?? {};
    const current = channelVersion((path) => join(out, path), targets, name);
    return current === null || (compareVersions(version, current) ?? 0) > 0;
  });
}

/** A version's files never change: somebody has them. */
function requireUnchanged(old: Repository | null, fresh: TargetEntries): void {
  for (const [name, { hashes }] of Object.entries(fresh)) {
    const known = old?.targets.targets[name]?.hashes.sha256;
    if (known === undefined || known === hashes.sha256) continue;
    throw new Error(
      `Cannot release: ${name} is published already, with other bytes (${known.slice(0, 12)}, ` +
        `now ${hashes.sha256.slice(0, 12)}); raise the version`,
    );
  }
}

/** Stages the files of a version and returns their entries. */
function stageVersion(
  staging: Staging,
  options: ReleaseOptions,
  artifacts: readonly Artifacts[],
  rootVersion: number,
): TargetEntries {
  const { version, channel, builtAtMs } = options;
  const entries: Record<string, TargetEntry> = {};
  const add = (name: string, file: string, custom?: TargetEntry["custom"]) => {
    const hashes = { sha256: sha256OfFile(file) };
    const entry = { length: statSync(file).size, hashes };
    staging.copy(pathOfTarget(name, entry), file);
    entries[name] = custom === undefined ? entry : { ...entry, custom };
  };
  for (const made of artifacts) {
    const names = targetNames(version, made.arch);
    const custom = {
      ...customFields(made.arch, version, channel, builtAtMs, { ...made, sqlite: options.sqlite }),
      compression: options.compression,
      trustedRoot: rootVersion,
    };
    add(names.shipped, made.shippedFile, custom);
    add(names.chunks, made.indexFile);
    add(names.pack, made.packFile);
  }
  const bundledFiles = artifacts.flatMap((made) => made.bundledFiles);
  const bill = Buffer.from(sbom({ version, builtAtMs, bundledFiles }));
  const entry = { length: bill.length, hashes: { sha256: sha256Of(bill) } };
  staging.write(pathOfTarget(sbomTargetName(version), entry), bill);
  return { ...entries, [sbomTargetName(version)]: entry };
}

function versionsOf(targets: TargetEntries): string[] {
  const names = Object.keys(targets).filter((name) => name.includes("/mycelium-linux-"));
  return [...new Set(names.map((name) => name.slice(0, name.indexOf("/"))))].sort(
    (a, b) => compareVersions(a, b) ?? 0,
  );
}
