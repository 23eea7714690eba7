/** What a publisher does to a release directory, each read back with the node's own TUF client and with openssl. */

import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyDirectory } from "../../../build/publish/keys.ts";
import {
  promote,
  refreshAll,
  refreshTimestamp,
  rollBack,
  rotateRoot,
} from "../../../build/publish/operations.ts";
import { releaseSource } from "../../../src/adapters/release/index.ts";
import { decodeChunkIndex } from "../../../src/domain/update/index.ts";
import { contentOf, DAY_MS, NOW_MS, ReleaseLab, sha256 } from "./release-lab.ts";

const labs: ReleaseLab[] = [];

function newLab(): ReleaseLab {
  const lab = new ReleaseLab();
  labs.push(lab);
  return lab;
}

afterAll(() => {
  for (const lab of labs) rmSync(lab.folder, { recursive: true, force: true });
});

/** What a change refuses with; the directory must be as it was. */
async function refusalOf(lab: ReleaseLab, change: () => Promise<unknown>): Promise<string> {
  const before = existsSync(lab.out) ? contentOf(lab.out) : null;
  const message = await change().then(
    () => "accepted",
    (error) => String(error.message),
  );
  expect(existsSync(lab.out) ? contentOf(lab.out) : null).toEqual(before);
  expect(existsSync(`${lab.out}.staging`)).toBe(false);
  expect(existsSync(`${lab.out}.lock`)).toBe(false);
  return message;
}

test("a release has all its files, and install.sh's checks accept them", async () => {
  const lab = newLab();
  const [made] = await lab.release("0.2.0");
  const files = contentOf(lab.out);
  const shipped = files["mycelium-linux-x64"]!;
  expect(files[`targets/0.2.0/${shipped}.mycelium-linux-x64`]).toBe(shipped);
  expect(files["root.json"]).toBe(files["metadata/1.root.json"]!);
  const sums = lab.read("SHA256SUMS");
  for (const name of ["install.sh", "root.json", "mycelium.cdx.json", "mycelium-linux-x64"]) {
    expect(sums).toContain(`${files[name]}  ${name}\n`);
  }
  expect(sums).toContain(`${shipped}  0.2.0/mycelium-linux-x64\n`);
  const script = lab.read("install.sh");
  expect(script).toContain("\nrelease_url='https://releases.example.com/mycelium'\n");
  const pem = join(lab.folder, "release.pem");
  writeFileSync(pem, /release_key='([^']+)'/.exec(script)![1]!);
  const checked = spawnSync(
    "openssl",
    ["dgst", "-sha256", "-verify", pem, "-signature", "SHA256SUMS.sig", "SHA256SUMS"],
    { cwd: lab.out, encoding: "utf8" },
  );
  expect(checked.stdout).toContain("Verified OK");
  const index = decodeChunkIndex(readFileSync(made!.indexFile));
  expect(index).toMatchObject({ version: "0.2.0", coreSha256: made!.coreSha256 });
});

test("the pack's frames unpack to the core, chunk by chunk", async () => {
  const lab = newLab();
  const [made] = await lab.release("0.2.0");
  const pack = readFileSync(made!.packFile);
  const { chunks, coreSha256 } = decodeChunkIndex(readFileSync(made!.indexFile));
  const pieces = chunks.map(({ packOffset, packSizeBytes, sha256: hash }) => {
    const piece = Bun.zstdDecompressSync(pack.subarray(packOffset, packOffset + packSizeBytes));
    expect(sha256(piece)).toBe(hash);
    return piece;
  });
  expect(sha256(Buffer.concat(pieces))).toBe(coreSha256);
});

test("what is published is what a node reads, through releases, a rollback and new keys", async () => {
  const lab = newLab();
  await lab.release("0.2.0", { seed: 2 });
  const source = releaseSource({
    directory: join(lab.folder, "node"),
    channel: "stable",
    trustedRoot: readFileSync(join(lab.out, "root.json")),
    builtAtMs: NOW_MS,
    url: lab.out,
    readFromNetwork: async () => null,
  });
  const first = await source.refresh(NOW_MS);
  expect(first).toMatchObject({ version: "0.2.0", notes: "notes of 0.2.0" });

  await lab.release("0.3.0", { seed: 3 });
  const second = await source.refresh(NOW_MS);
  expect(second).toMatchObject({ version: "0.3.0" });
  expect(sha256(readFileSync(join(lab.out, "mycelium-linux-x64")))).toBe(
    second!.targets[0]!.shippedSha256,
  );

  // The edge is ahead; who follows stable does not see it, and neither does install.sh.
  await lab.release("0.4.0", { seed: 4, channel: "edge" });
  expect(await source.refresh(NOW_MS)).toEqual(second);
  expect(lab.read("SHA256SUMS")).toContain(
    `${second!.targets[0]!.shippedSha256}  mycelium-linux-x64\n`,
  );

  const { keys, out } = lab;
  await rollBack({ out, keys, version: "0.2.0", channel: "stable", nowMs: NOW_MS });
  expect(await source.refresh(NOW_MS)).toMatchObject({ version: "0.2.0", digest: first!.digest });
  expect(lab.read("install.sh")).toContain("releases.example.com");
  expect(sha256(readFileSync(join(lab.out, "mycelium-linux-x64")))).toBe(
    first!.targets[0]!.shippedSha256,
  );

  const nextKeys = lab.makeKeys("next");
  await rotateRoot({ out, keys, nextKeys, nowMs: NOW_MS });
  expect(await source.refresh(NOW_MS)).toMatchObject({ version: "0.2.0" });
  expect(await refusalOf(lab, () => lab.release("0.5.0"))).toContain(
    "not those of this repository",
  );
  await lab.release("0.5.0", { seed: 5, keys: nextKeys });
  expect(await source.refresh(NOW_MS)).toMatchObject({ version: "0.5.0" });
  expect(source.problems()).toEqual([]);
});

test("the daily job needs the timestamp key alone, and says when that is not enough", async () => {
  const lab = newLab();
  await lab.release("0.2.0");
  const daily = join(lab.folder, "daily");
  mkdirSync(daily);
  renameSync(join(lab.folder, "keys", "timestamp.pem"), join(daily, "timestamp.pem"));
  const keys = new KeyDirectory(daily, {});
  const { out } = lab;
  const before = contentOf(out);
  const nowMs = NOW_MS + 30 * DAY_MS;
  await refreshTimestamp({ out, keys, nowMs });
  const after = contentOf(out);
  const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
  expect(changed).toEqual(["metadata/timestamp.json"]);
  expect(lab.signed("timestamp.json")).toMatchObject({
    version: 2,
    expires: new Date(nowMs + 7 * DAY_MS).toISOString().replace(".000Z", "Z"),
  });
  const inAYear = { out, keys, nowMs: NOW_MS + 366 * DAY_MS };
  expect(await refusalOf(lab, () => refreshTimestamp(inAYear))).toContain("--refresh");
  renameSync(join(daily, "timestamp.pem"), join(lab.folder, "keys", "timestamp.pem"));
  await refreshAll({ ...inAYear, keys: lab.keys });
  await refreshTimestamp({ ...inAYear, keys: lab.keys });
  const inThree = { out, keys: lab.keys, nowMs: NOW_MS + 3 * 365 * DAY_MS };
  expect(await refusalOf(lab, () => refreshAll(inThree))).toContain("root expired");
  await rotateRoot({ ...inThree, nextKeys: lab.keys });
  await refreshTimestamp(inThree);
});

test("a release without the keys it needs is refused, and nothing is left behind", async () => {
  const lab = newLab();
  const keyFolder = join(lab.folder, "keys");
  rmSync(join(keyFolder, "root-3.pem"));
  rmSync(join(keyFolder, "targets-1.pem"));
  rmSync(join(keyFolder, "targets-2.pem"));
  expect(await refusalOf(lab, () => lab.release("0.2.0"))).toContain(
    "Cannot sign targets: found 1 of its private keys, needed 2",
  );
  rmSync(join(keyFolder, "root-2.pem"));
  expect(await refusalOf(lab, () => lab.release("0.2.0"))).toContain("Cannot sign root: found 1");
  rmSync(join(keyFolder, "root-2.pub"));
  expect(await refusalOf(lab, () => lab.release("0.2.0"))).toContain(
    "neither root-2.pem nor root-2.pub",
  );
  expect(existsSync(lab.out)).toBe(false);
});

test("keys come from the environment too; files that others may read are refused", async () => {
  const lab = newLab();
  const file = join(lab.folder, "keys", "timestamp.pem");
  const pem = readFileSync(file, "utf8");
  spawnSync("chmod", ["644", file]);
  expect(await refusalOf(lab, () => lab.release("0.2.0"))).toContain("others may read it");
  rmSync(file);
  expect(await refusalOf(lab, () => lab.release("0.2.0"))).toContain("Cannot sign timestamp");
  const keys = new KeyDirectory(join(lab.folder, "keys"), { MYCELIUM_KEY_TIMESTAMP: pem });
  await lab.release("0.2.0", { keys });
  const broken = new KeyDirectory(join(lab.folder, "keys"), { MYCELIUM_KEY_TIMESTAMP: "x" });
  expect(await refusalOf(lab, () => lab.release("0.3.0", { keys: broken }))).toContain("no PEM");
});

test("a published version keeps its bytes, and a channel goes back by a rollback only", async () => {
  const lab = newLab();
  await lab.release("0.2.0", { seed: 1 });
  expect(await refusalOf(lab, () => lab.release("0.2.0", { seed: 2 }))).toContain("other bytes");
  expect(await refusalOf(lab, () => lab.release("0.1.9", { seed: 2 }))).toContain("it is at 0.2.0");
  expect(await refusalOf(lab, () => lab.release("0.3", { seed: 2 }))).toContain("three numbers");
  const back = { out: lab.out, keys: lab.keys, channel: "stable", nowMs: NOW_MS } as const;
  expect(await refusalOf(lab, () => rollBack({ ...back, version: "0.1.0" }))).toContain(
    "has 0.2.0",
  );
  expect(await refusalOf(lab, () => rollBack({ ...back, version: "0.2.0" }))).toContain("it is at");
  const on = () => promote({ ...back, version: "0.2.0" });
  expect(await refusalOf(lab, on)).toContain("Cannot move stable on to 0.2.0");
  // The same bytes again: nothing but new signatures.
  await lab.release("0.2.0", { seed: 1 });
  expect(lab.signed("timestamp.json").version).toBe(2);
});

test("edge is never behind stable, and what it had can be promoted", async () => {
  const lab = newLab();
  const at = (channel: string) => {
    const { targets } = lab.signed(`${lab.signed("timestamp.json").version}.targets.json`);
    const { hashes } = targets[`channels/${channel}.json`] as { hashes: { sha256: string } };
    return JSON.parse(lab.read(`targets/channels/${hashes.sha256}.${channel}.json`)).version;
  };
  await lab.release("0.2.0", { seed: 1 });
  expect([at("stable"), at("edge")]).toEqual(["0.2.0", "0.2.0"]);
  await lab.release("0.4.0", { seed: 2, channel: "edge" });
  await lab.release("0.3.0", { seed: 3 });
  expect([at("stable"), at("edge")]).toEqual(["0.3.0", "0.4.0"]);
  const { out, keys } = lab;
  await promote({ out, keys, nowMs: NOW_MS, version: "0.4.0", channel: "stable" });
  expect([at("stable"), at("edge")]).toEqual(["0.4.0", "0.4.0"]);
});

test("a change of keys that was cut off before its timestamp is made again", async () => {
  const lab = newLab();
  await lab.release("0.2.0");
  const before = contentOf(lab.out);
  const timestamp = lab.read("metadata/timestamp.json");
  const change = { out: lab.out, keys: lab.keys, nextKeys: lab.makeKeys("next"), nowMs: NOW_MS };
  await rotateRoot(change);
  writeFileSync(join(lab.out, "metadata", "timestamp.json"), timestamp);
  await refreshTimestamp({ out: lab.out, keys: lab.keys, nowMs: NOW_MS });
  expect(contentOf(lab.out)["metadata/timestamp.json"]).not.toBe(before["metadata/timestamp.json"]);
  await rotateRoot(change);
  await refreshTimestamp({ out: lab.out, keys: change.nextKeys, nowMs: NOW_MS });
});

test("a directory that was altered is not published over", async () => {
  const lab = newLab();
  await lab.release("0.2.0");
  const path = join(lab.out, "metadata", "1.targets.json");
  writeFileSync(path, readFileSync(path, "utf8").replace("0.2.0", "0.2.1"));
  expect(await refusalOf(lab, () => lab.release("0.3.0"))).toContain("was altered");
});

test("one change at a time; what a killed one left is taken over", async () => {
  const lab = newLab();
  writeFileSync(`${lab.out}.lock`, String(process.pid));
  await expect(lab.release("0.2.0")).rejects.toThrow(`process ${process.pid} is changing it`);
  const dead = spawnSync("true").pid;
  writeFileSync(`${lab.out}.lock`, String(dead));
  mkdirSync(`${lab.out}.staging`);
  writeFileSync(join(`${lab.out}.staging`, "half"), "");
  await lab.release("0.2.0");
  expect(existsSync(join(lab.out, "half"))).toBe(false);
  expect(existsSync(`${lab.out}.staging`)).toBe(false);
});
