/** One real release of this machine's architecture, by the command that a publisher types. */

import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { decodeChunkIndex } from "../../../src/domain/update/index.ts";
import { ReleaseLab, sha256 } from "./release-lab.ts";

const ROOT = resolve(import.meta.dir, "..", "..", "..");
/** Seconds on an idle machine; some work beside others. */
const BUILD_TIMEOUT_MS = 400_000;
const lab = new ReleaseLab();
afterAll(() => rmSync(lab.folder, { recursive: true, force: true }));

function release(...words: string[]) {
  const keys = join(lab.folder, "keys");
  const { status, stdout, stderr } = spawnSync(
    join(ROOT, "build", "release"),
    ["--out", lab.out, "--keys", keys, "--arch", process.arch, "--quick", ...words],
    { encoding: "utf8", env: { ...process.env, SOURCE_DATE_EPOCH: "1760000000" } },
  );
  return { status, stdout, stderr };
}

test(
  "build/release makes an executable of the version it was told, with its bill of materials",
  () => {
    const made = release("--version", "7.8.9", "--report", "--channel", "edge");
    expect(made).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("7.8.9 in channel edge"),
    });
    const shipped = join(lab.out, `mycelium-linux-${process.arch}`);
    const said = spawnSync(shipped, ["version", "--json"], {
      encoding: "utf8",
      env: {
        ...process.env,
        XDG_CACHE_HOME: lab.folder,
        HOME: lab.folder,
        MYCELIUM_STATE: lab.folder,
      },
    });
    expect(JSON.parse(said.stdout)).toMatchObject({ version: "7.8.9" });

    const { targets } = lab.signed("1.targets.json");
    const target = targets[`7.8.9/mycelium-linux-${process.arch}`];
    expect(target).toMatchObject({
      hashes: { sha256: sha256(readFileSync(shipped)) },
      custom: { version: "7.8.9", channel: "edge", stateFormat: 1, builtAt: 1_760_000_000_000 },
    });
    const indexName = `7.8.9/core-linux-${process.arch}.chunks`;
    const { hashes } = targets[indexName] as { hashes: { sha256: string } };
    const index = readFileSync(
      join(lab.out, "targets", "7.8.9", `${hashes.sha256}.core-linux-${process.arch}.chunks`),
    );
    expect(target).toMatchObject({ custom: { coreSha256: decodeChunkIndex(index).coreSha256 } });
    const bill = JSON.parse(lab.read("mycelium.cdx.json"));
    const names = bill.components.map((component: { name: string }) => component.name);
    expect(bill).toMatchObject({
      bomFormat: "CycloneDX",
      metadata: { component: { version: "7.8.9" } },
    });
    expect(names).toContain("libp2p");
    expect(names).toContain("bun");
    // Development tools and what the bundler dropped are not inside.
    expect(names).not.toContain("typescript");
    expect(names).not.toContain("cbor-extract");
    for (const component of bill.components) {
      expect(component.version).toMatch(/^\d+\.\d+\.\d+/);
      expect(component.licenses).toHaveLength(1);
    }
  },
  BUILD_TIMEOUT_MS,
);

test(
  "the next version is a small update for who has this one",
  () => {
    const next = release("--version", "7.10.0", "--report", "--channel", "edge");
    expect(next.status).toBe(0);
    const megabytes = /from 7\.8\.9: .* with the index ([\d.]+) MB/.exec(next.stdout)?.[1];
    expect(Number(megabytes)).toBeGreaterThan(0.1);
    expect(Number(megabytes)).toBeLessThan(2);
  },
  BUILD_TIMEOUT_MS,
);

test("a wrong flag is said before anything is built", () => {
  expect(release("--channel", "beta")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('found "beta", needed stable or edge'),
  });
  expect(release("--chanel", "edge")).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^error: .*--chanel/m),
  });
  expect(release("--rollback", "1.0.0", "--out", "/nowhere/at/all")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("it holds no release"),
  });
  expect(release("--core", `${process.arch}=/nowhere`)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("needed ARCH=FILE"),
  });
});
