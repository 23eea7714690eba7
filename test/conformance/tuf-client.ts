#!/usr/bin/env bun
/**
 * Our TUF client behind the command line that the TUF project's conformance suite drives (its CLIENT-CLI.md). Only
 * the names of files differ from what an agent does: `bun run tuf-conformance` runs the suite.
 *
 *   tuf-client.ts --metadata-dir DIR init ROOT
 *   tuf-client.ts --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client.ts ... --target-name NAME [...] --target-base-url URL --target-dir DIR download
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HttpOrigin } from "../../src/adapters/release/http-origin.ts";
import { MetadataStore } from "../../src/adapters/release/metadata-store.ts";
import type { Origin } from "../../src/adapters/release/origin.ts";
import { TargetDownloads } from "../../src/adapters/release/target-downloads.ts";
import { TufClient } from "../../src/adapters/release/tuf-client.ts";
import type { TufRepository } from "../../src/adapters/release/tuf-repository.ts";
import { messageOf, present } from "../../src/base/index.ts";
import { requireFile, targetDigest, targetPath } from "../../src/domain/update/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "metadata-dir": { type: "string" },
    "metadata-url": { type: "string" },
    "target-name": { type: "string", multiple: true },
    "target-base-url": { type: "string" },
    "target-dir": { type: "string" },
  },
});
const metadataDir = present(values["metadata-dir"], "--metadata-dir");
/** The suite takes every .json in that directory for trusted metadata. */
const firstRoot = join(metadataDir, "first-root");

function option(name: Exclude<keyof typeof values, "target-name">): string {
  return present(values[name], `--${name}`);
}

/** The suite serves metadata and targets below two URLs of its own. */
function originAt(url: string, folder: string): Origin {
  const server = new HttpOrigin(url);
  const inside = (path: string) => path.slice(folder.length + 1);
  return {
    name: server.name,
    mayLag: false,
    read: (path, sizeBytesMax) => server.read(inside(path), sizeBytesMax),
    open: (path, range) => server.open(inside(path), range),
  };
}

function refresh(): Promise<TufRepository> {
  const store = new MetadataStore(metadataDir);
  const client = new TufClient({ store, trustedRoot: readFileSync(firstRoot) });
  return client.refresh(originAt(option("metadata-url"), "metadata"), Date.now());
}

async function download(): Promise<void> {
  const repository = await refresh();
  for (const name of values["target-name"] ?? []) await downloadOne(repository, name);
}

async function downloadOne(repository: TufRepository, name: string): Promise<void> {
  const file = present(await repository.find(name), `the target ${name}`);
  const kept = join(option("target-dir"), encodeURIComponent(name));
  if (existsSync(kept) && isFile(kept, file)) return;
  const digest = targetDigest(name, file);
  const path = targetPath(name, repository.isConsistent ? digest : null);
  // Beside the suite's own directory, which holds finished files only.
  const downloads = new TargetDownloads(join(metadataDir, "downloads"));
  const origins = [originAt(option("target-base-url"), "targets")];
  renameSync(await downloads.fetch({ name, file, digest, path }, origins), kept);
}

function isFile(path: string, file: Parameters<typeof requireFile>[2]): boolean {
  try {
    requireFile(path, readFileSync(path), file);
    return true;
  } catch {
    return false;
  }
}

try {
  const [command, root] = positionals;
  if (command === "init") {
    mkdirSync(metadataDir, { recursive: true });
    copyFileSync(present(root, "the trusted root"), firstRoot);
  } else if (command === "refresh") await refresh();
  else if (command === "download") await download();
  else throw new Error("needed one of init, refresh, download");
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
