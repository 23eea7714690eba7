/**
 * The release directory as a whole: the TUF repository, and at the top what install.sh needs of the version that new
 * nodes get, with the signed list of sums. What changes in it changes through here.
 */

import { sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import {
  ARCHITECTURES,
  CHANNELS,
  type Channel,
  channelTargetName,
  targetNames,
  targetPath,
} from "../../src/domain/update/index.ts";
import { publishedInstallScript } from "../install-script.ts";
import { sha256Of } from "./files.ts";
import { type KeyDirectory, publicPem } from "./keys.ts";
import type { Document, TargetEntries, TargetEntry } from "./metadata.ts";
import { nextDocuments, type Repository } from "./repository.ts";
import type { Staging } from "./staging.ts";

const SBOM_NAME = "mycelium.cdx.json";

export function sbomTargetName(version: string): string {
  return `${version}/${SBOM_NAME}`;
}

/** Where a target's file lies. */
export function pathOfTarget(name: string, { hashes }: TargetEntry): string {
  return targetPath(name, { algorithm: "sha256", hex: hashes.sha256 });
}

/** What a channel is at; null before its first release. `locate` finds a file of the directory. */
export function channelVersion(
  locate: (path: string) => string,
  targets: TargetEntries,
  channel: Channel,
): string | null {
  const name = channelTargetName(channel);
  const entry = targets[name];
  if (entry === undefined) return null;
  return JSON.parse(readFileSync(locate(pathOfTarget(name, entry)), "utf8")).version;
}

/** Stages the file that says what a channel is at, and returns its entry. */
export function stageChannel(
  staging: Staging,
  channel: Channel,
  version: string,
  notes: string,
): TargetEntries {
  const name = channelTargetName(channel);
  const bytes = Buffer.from(JSON.stringify({ version, notes }));
  const entry = { length: bytes.length, hashes: { sha256: sha256Of(bytes) } };
  staging.write(pathOfTarget(name, entry), bytes);
  return { [name]: entry };
}

export interface DirectoryChange {
  readonly old: Repository | null;
  /** All targets from now on; null leaves them as they are. */
  readonly targets: TargetEntries | null;
  readonly root: Document | null;
  /** Those that sign from now on. */
  readonly keys: KeyDirectory;
  /** Where the directory will be served; null: as before. */
  readonly url: string | null;
  readonly nowMs: number;
}

/** Stages the metadata and what install.sh needs. */
export function stageDirectory(staging: Staging, change: DirectoryChange): void {
  const { old, keys } = change;
  for (const { path, bytes } of nextDocuments(old, change, keys, change.nowMs)) {
    staging.write(path, bytes);
  }
  const rootBytes = change.root?.bytes ?? old?.rootBytes;
  if (rootBytes !== undefined) staging.write("root.json", rootBytes);
  stageInstaller(staging, change.targets ?? old?.targets.targets ?? {}, change);
}

/** The version for new nodes is that of channel stable, or of edge until there is one. */
function stageInstaller(staging: Staging, targets: TargetEntries, change: DirectoryChange): void {
  const key = change.keys.releaseKey();
  const url = change.url ?? servedUrl(staging.pathOf("install.sh"));
  const script = publishedInstallScript({ url, keyPem: publicPem(key) });
  staging.write("install.sh", script, 0o755);
  const sums = [["install.sh", sha256Of(script)]];
  sums.push(["root.json", sha256Of(readFileSync(staging.pathOf("root.json")))]);
  const locate = (path: string) => staging.pathOf(path);
  const versions = CHANNELS.map((channel) => channelVersion(locate, targets, channel));
  const version = versions.find((found) => found !== null) ?? "";
  const promoted = [
    ...ARCHITECTURES.map((arch) => targetNames(version, arch).shipped),
    sbomTargetName(version),
  ];
  for (const name of promoted) {
    const entry = targets[name];
    if (entry === undefined) continue;
    const top = name.slice(name.indexOf("/") + 1);
    staging.link(top, pathOfTarget(name, entry));
    sums.push([top, entry.hashes.sha256]);
  }
  for (const [name, { hashes }] of Object.entries(targets)) {
    if (/\/mycelium-linux-\w+$/.test(name)) sums.push([name, hashes.sha256]);
  }
  const text = sums.map(([name, hash]) => `${hash}  ${name}\n`).join("");
  staging.write("SHA256SUMS", text);
  staging.write("SHA256SUMS.sig", sign("sha256", Buffer.from(text), key));
}

/** What an earlier install.sh here was made for. */
function servedUrl(path: string): string {
  if (!existsSync(path)) return "";
  return /^release_url='([^']*)'$/m.exec(readFileSync(path, "utf8"))?.[1] ?? "";
}
