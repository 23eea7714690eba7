/** The folders of releases beside this file: what each wrote, and what it meant. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkId, NodeId } from "../../src/base/index.ts";

export interface WrittenSample {
  /** Base64. */
  readonly bytes: string;
  /** As `asJson` has it. */
  readonly meaning: unknown;
}

/** Names of samples to what was written. */
export type WrittenSamples = Readonly<Record<string, WrittenSample>>;

export const SAMPLES_FILE = "samples.json";

export function releaseFolder(version: string): string {
  return join(import.meta.dir, version);
}

/** Versions with fixtures, oldest first. */
export function releases(): readonly string[] {
  return readdirSync(import.meta.dir)
    .filter((name) => /^\d+\.\d+\.\d+$/.test(name))
    .filter((name) => existsSync(join(releaseFolder(name), SAMPLES_FILE)))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

export function writtenSamples(version: string): WrittenSamples {
  const text = readFileSync(join(releaseFolder(version), SAMPLES_FILE), "utf8");
  return JSON.parse(text) as WrittenSamples;
}

/** What a state directory holds; of all releases, so that later ones answer the same. */
export interface StateFacts {
  readonly node: NodeId;
  readonly network: NetworkId;
  /** For SQL, without an end. */
  readonly token: string;
  /** Ids of the other members. */
  readonly peers: readonly NodeId[];
  readonly term: number;
  /** Of each of QUERIES. */
  readonly results: readonly unknown[];
}

/** Read on a node as soon as it has everything. */
export const QUERIES = [
  "SELECT id, text, real, hex(content) FROM notes ORDER BY id",
  "SELECT n, what, at FROM log ORDER BY n",
  "SELECT a, b, c FROM pairs ORDER BY b",
  "SELECT x, y FROM loose ORDER BY rowid",
  "SELECT text FROM words WHERE words MATCH 'runs'",
  "SELECT count FROM counted",
  "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '%mycelium%' ORDER BY name",
] as const;

/** States of nodes that were killed: `name` is "lone" or "one-of-three". */
export function stateFiles(version: string, name: string): { archive: string; about: string } {
  const base = join(releaseFolder(version), `state-${name}`);
  return { archive: `${base}.zst`, about: `${base}.json` };
}
