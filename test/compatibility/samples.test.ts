/** Today's code reads what every release wrote, and what a later one will have added to it. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { releases, writtenSamples } from "./fixtures.ts";
import { asJson, withLaterFields } from "./sample.ts";
import { SAMPLES, WITHOUT_SAMPLE } from "./samples.ts";

const SOURCE = resolve(import.meta.dir, "../../src");
const BY_NAME = new Map(SAMPLES.map((sample) => [sample.name, sample]));

describe.each([...releases()])("release %s", (version) => {
  const written = writtenSamples(version);

  test.each(Object.keys(written))("%s means the same", async (name) => {
    const sample = BY_NAME.get(name);
    if (sample === undefined) throw new Error(`nothing reads "${name}" any more`);
    const { bytes, meaning } = written[name]!;
    const found = asJson(await sample.read(new Uint8Array(Buffer.from(bytes, "base64"))));
    expect({ found }).toMatchObject({ found: meaning as object });
  });
});

test("the release that is being made has its fixtures, with a sample of everything", () => {
  const latest = releases().at(-1) ?? "";
  expect(Object.keys(writtenSamples(latest)).sort()).toEqual([...BY_NAME.keys()].sort());
});

test("each sample has a name of its own, and writes the same bytes each time", async () => {
  expect(BY_NAME.size).toBe(SAMPLES.length);
  for (const { name, write } of SAMPLES) {
    const [once, again] = [await write(), await write()];
    expect({ name, bytes: asJson(again) }).toEqual({ name, bytes: asJson(once) });
  }
});

test("fields that a later release adds to any map change nothing", async () => {
  for (const { name, form, write, read } of SAMPLES) {
    if (form === "other") continue;
    const bytes = await write();
    const meant = asJson(await read(bytes));
    const found = asJson(await read(withLaterFields(new Uint8Array(bytes), form)));
    expect({ name, found }).toMatchObject({ name, found: meant as object });
  }
});

const ENCODERS = /\b(encodeCbor|deterministicCbor|canonicalJson|new PackWriter)\(/;
const WRITER = /^export (?:async )?function ((?:encode|pack(?!Size)|sign|seal)[A-Z]\w*)/gm;
const API_SHAPE = /^export const (\w+Shape) = object/gm;

/** "file writer" for all that this file exports to write with; the file alone where it encodes otherwise. */
function writersIn(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  const pattern = file.startsWith("domain/api/") ? API_SHAPE : WRITER;
  const named = [...text.matchAll(pattern)].map(([, name]) => `${file} ${name}`);
  return named.length === 0 && ENCODERS.test(text) ? [file] : named;
}

test("everything in src that writes for others has a sample, or a reason why not", () => {
  const sampled = new Set(SAMPLES.flatMap(({ writers }) => writers));
  const files = new Set([...sampled].map((writer) => writer.split(" ")[0]));
  const isExcused = (file: string) =>
    [...WITHOUT_SAMPLE.keys()].some((one) =>
      one.endsWith("/") ? file.startsWith(one) : file === one,
    );
  const missing = [...new Bun.Glob("**/*.ts").scanSync(SOURCE)]
    .filter((file) => !/\.test\.ts$|\/testing\/|-fixture\.ts$|testbed/.test(file))
    .filter((file) => !isExcused(file))
    .flatMap(writersIn)
    .filter((writer) => !sampled.has(writer) && !(!writer.includes(" ") && files.has(writer)));
  expect(missing).toEqual([]);
});

test("every writer that a sample names is there", () => {
  const gone = SAMPLES.flatMap(({ writers }) => writers).filter((writer) => {
    const [file = "", name = ""] = writer.split(" ");
    return !new RegExp(`\\b${name}\\b`).test(readFileSync(join(SOURCE, file), "utf8"));
  });
  expect(gone).toEqual([]);
});
