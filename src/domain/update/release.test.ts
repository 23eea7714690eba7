import { describe, expect, test } from "bun:test";
import { canonicalJson } from "./canonical-json.ts";
import { channelTargetName, type ReleaseTarget, releaseDigest, targetNames } from "./release.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const target = (arch: "x64" | "arm64"): ReleaseTarget => ({
  version: "0.2.0",
  arch,
  coreSha256: "a".repeat(64),
  coreSizeBytes: 110_000_000,
  shippedSha256: "b".repeat(64),
  shippedSizeBytes: 40_000_000,
  stateFormat: 1,
  protocol: 3,
  minProtocol: 2,
  sqlite: "3.53.4",
  builtAtMs: 1_790_000_000_000,
});

describe("canonicalJson()", () => {
  test("sorts keys by code point and escapes only quotes and backslashes", () => {
    const value = { b: [1, true, null], a: 'q" \\ \n é', "\u{1F600}": 1, "\uFFFD": 2 };
    const expected = '{"a":"q\\" \\\\ \n é","b":[1,true,null],"\uFFFD":2,"\u{1F600}":1}';
    expect(text(canonicalJson(value))).toBe(expected);
  });

  test("refuses numbers that have more than one form", () => {
    expect(() => canonicalJson({ a: 1.5 })).toThrow("integers only");
    expect(() => canonicalJson([2 ** 53])).toThrow("integers only");
  });
});

describe("releaseDigest()", () => {
  test("does not depend on the order of the targets, but on everything in them", () => {
    const both = [target("x64"), target("arm64")];
    const digest = releaseDigest(both);
    expect(releaseDigest(both.toReversed())).toBe(digest);
    for (const key of Object.keys(both[0]!) as (keyof ReleaseTarget)[]) {
      const found = both[0]![key];
      const other = typeof found === "number" ? found + 1 : `${found}x`;
      const changed = { ...both[0]!, [key]: other } as ReleaseTarget;
      expect(releaseDigest([changed, both[1]!])).not.toBe(digest);
    }
  });

  test("stays what it was: nodes of other versions vote on it too", () => {
    expect(releaseDigest([target("x64"), target("arm64")])).toBe(
      "20eea002466625ae9daf3b004ad7d14bfe5c7ab9e20077c9f3ca646abd99fb52",
    );
  });
});

test("targets of a version lie below its name, channels beside them", () => {
  expect(targetNames("0.2.0", "arm64")).toEqual({
    shipped: "0.2.0/mycelium-linux-arm64",
    chunks: "0.2.0/core-linux-arm64.chunks",
    pack: "0.2.0/core-linux-arm64.pack",
  });
  expect(channelTargetName("edge")).toBe("channels/edge.json");
});
