/**
 * The software bill of materials, CycloneDX 1.6: every npm package of which the bundle holds code (by the bundler's
 * own record, so nothing is missing and nothing is claimed that is not inside), Bun with what it is built from, and
 * what the native parts contain. The same build gives the same bytes.
 */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { sha256Of } from "./files.ts";

const ROOT = resolve(import.meta.dir, "..", "..");

interface Component {
  readonly type: "library" | "application" | "platform";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly components?: readonly Component[];
}

export interface SbomInput {
  readonly version: string;
  readonly builtAtMs: number;
  /** What the bundler read: paths from the checkout. */
  readonly bundledFiles: readonly string[];
}

export function sbom({ version, builtAtMs, bundledFiles }: SbomInput): string {
  const components = [...npmComponents(bundledFiles), bunComponent(), ...nativeParts()];
  const self: Component = {
    type: "application",
    "bom-ref": `mycelium@${version}`,
    name: "mycelium",
    version,
    licenses: [{ license: { id: "MIT" } }],
  };
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify([self, components]))}`,
    version: 1,
    metadata: {
      timestamp: new Date(builtAtMs).toISOString().replace(/\.\d+Z$/, "Z"),
      component: self,
    },
    components,
    dependencies: [
      { ref: self["bom-ref"], dependsOn: components.map((component) => component["bom-ref"]) },
    ],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/** One component for every package that a bundled file belongs to. */
function npmComponents(files: readonly string[]): Component[] {
  const lock = lockedHashes();
  const folders = new Set(
    files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  const components = [...folders].map((folder): Component => {
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
    const { name, version, license } = manifest as Record<string, unknown>;
    if (typeof name !== "string" || typeof version !== "string") {
      throw new Error(`Cannot list ${folder}: its package.json has no name and version`);
    }
    const sha512 = lock.get(`${name}@${version}`);
    if (sha512 === undefined) {
      throw new Error(`Cannot list ${name} ${version}: bun.lock does not have it; run bun install`);
    }
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl,
      ...(typeof license === "string" ? { licenses: [{ expression: license }] } : {}),
      hashes: [{ alg: "SHA-512", content: sha512 }],
    };
  });
  const unique = new Map(components.map((component) => [component["bom-ref"], component]));
  return [...unique.values()].sort((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1));
}

/** SHA-512 of the packages as npm has them, by name and version. */
function lockedHashes(): Map<string, string> {
  const lock = Bun.JSONC.parse(readFileSync(join(ROOT, "bun.lock"), "utf8")) as {
    readonly packages: Readonly<Record<string, readonly unknown[]>>;
  };
  const hashes = new Map<string, string>();
  for (const entry of Object.values(lock.packages)) {
    const [id] = entry;
    const integrity = entry.at(-1);
    if (typeof id !== "string" || typeof integrity !== "string") continue;
    if (!integrity.startsWith("sha512-")) continue;
    hashes.set(id, Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex"));
  }
  return hashes;
}

/** Names in process.versions that say what Bun is compatible with, not what is in it. */
const NO_PARTS = new Set(["node", "bun", "openssl", "v8", "uv", "napi", "modules", "typescript"]);

function bunComponent(): Component {
  const version = Bun.version;
  const parts = Object.entries(process.versions)
    .filter(([name]) => !NO_PARTS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    type: "platform",
    "bom-ref": `bun@${version}`,
    name: "bun",
    version,
    purl: `pkg:github/oven-sh/bun@bun-v${version}`,
    licenses: [{ license: { id: "MIT" } }],
    hashes: bunHashes(version),
    components: parts.map(([name, partVersion = ""]) => ({
      type: "library",
      "bom-ref": `bun@${version}/${name}`,
      name,
      version: partVersion,
    })),
  };
}

/** Of the executables that build/bun.sha256 pins. */
function bunHashes(version: string) {
  const lines = readFileSync(join(ROOT, "build", "bun.sha256"), "utf8").split("\n");
  return lines
    .filter((line) => line.includes(`  bun-${version}-`))
    .map((line) => ({ alg: "SHA-256", content: line.slice(0, 64) }));
}

function nativeParts(): Component[] {
  const header = readFileSync(join(ROOT, "native", "sqlite", "sqlite3.h"), "utf8");
  const sqlite = /#define SQLITE_VERSION\s+"([^"]+)"/.exec(header)?.[1] ?? "unknown";
  const decoder = readFileSync(join(ROOT, "native", "zstd", "zstddeclib.c"), "utf8");
  const numbers = ["MAJOR", "MINOR", "RELEASE"].map(
    (part) => new RegExp(`#define ZSTD_VERSION_${part}\\s+(\\d+)`).exec(decoder)?.[1] ?? "?",
  );
  const zstdVersion = numbers.join(".");
  return [
    {
      type: "library",
      "bom-ref": `sqlite-headers@${sqlite}`,
      name: "sqlite headers (native/sqlite)",
      version: sqlite,
      licenses: [{ license: { id: "blessing" } }],
    },
    {
      type: "library",
      "bom-ref": `zstd@${zstdVersion}`,
      name: "zstd decoder (native/zstd, in the launcher)",
      version: zstdVersion,
      purl: `pkg:github/facebook/zstd@v${zstdVersion}`,
      licenses: [{ expression: "BSD-3-Clause OR GPL-2.0-only" }],
    },
  ];
}

/** A UUID (version 8, custom) that says the content, not the moment. */
function uuidOf(content: string): string {
  const hex = sha256Of(content);
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(18, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
