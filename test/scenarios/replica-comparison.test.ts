/** One replica is compared with the majority when that is asked for: all its tables at once, and its latest batches. */

import { expect, test } from "bun:test";
import { errorCodeOf } from "../../src/base/index.ts";
import { ReplicatedShards } from "./replicated-shards.ts";

/** Nothing is compared but what is asked for. */
const NEVER = { checkIntervalMs: 365 * 86_400_000, checkGapMinMs: 86_400_000 };
const AGREES = { agrees: true, difference: null };
const UNKNOWN = { agrees: false, difference: null };
/** As the leader asks when nothing has been said for long. */
const SOON_MS = 5_000;

async function filled(...names: string[]): Promise<ReplicatedShards> {
  const shards = await ReplicatedShards.startWith(NEVER, ...names);
  for (const key of ["t1/a", "t1/b", "t2/a", "k"]) {
    expect(await shards.write(`set ${key} right`)).toBe("ok");
  }
  await shards.pass(1_000);
  return shards;
}

test("a replica that holds the same agrees once all was compared, and not before", async () => {
  const shards = await filled("a", "b", "c");
  expect(shards.compare("c")).toEqual(UNKNOWN);
  await shards.until("compared", () => shards.compare("c")?.agrees === true);
  expect(shards.compare("c")).toEqual(AGREES);
  expect(shards.errors).toEqual([]);
  shards.stop();
});

test("one that does not answer is not known to agree, and is asked again when it is back", async () => {
  const shards = await filled("a", "b", "c");
  shards.kill("c");
  shards.compare("c");
  await shards.pass(SOON_MS);
  expect(shards.compare("c")).toEqual(UNKNOWN);
  await shards.open("c");
  await shards.until("compared", () => shards.compare("c")?.agrees === true);
  shards.stop();
});

test("one whose table differs is told apart, with the reason, also after it has mended itself", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("c", "t1/b", "wrong");
  const difference = "its table t1 differs from the majority's";
  await shards.until("found", () => shards.compare("c")?.difference === difference);
  await shards.until("mended", () => new Set(shards.images()).size === 1);
  expect(shards.compare("c")).toEqual({ agrees: false, difference });
  // On another occasion it counts what it holds then.
  expect(shards.compare("c", "second")).toEqual(UNKNOWN);
  await shards.until("compared", () => shards.compare("c", "second")?.agrees === true);
  shards.stop();
});

test("one that executes a write in another way is told apart by its digest, after it agreed as well", async () => {
  const shards = await filled("a", "b", "c");
  expect(await shards.write("append k 1")).toBe("ok");
  await shards.until("compared", () => shards.compare("c")?.agrees === true);
  shards.rot("c", "k", "wrong");
  expect(await shards.write("append k 2")).toBe("ok");
  await shards.until("found", () => (shards.compare("c")?.difference ?? null) !== null);
  expect(shards.compare("c")?.difference).toMatch(/its digest of log index \d+ differs/);
  shards.stop();
});

test("of two replicas neither is right: the one that is compared differs", async () => {
  const shards = await filled("a", "b");
  shards.rot("b", "t2/a", "wrong");
  shards.compare("b");
  await shards.until("found", () => (shards.compare("b")?.difference ?? null) !== null);
  expect(shards.compare("b")?.difference).toBe(
    "its table t2 differs from others', none has a majority",
  );
  shards.stop();
});

test("a replica alone has nobody to differ from; who does not lead compares nothing", async () => {
  const lone = await filled("a");
  expect(lone.compare("a")).toEqual(AGREES);
  lone.stop();
  const shards = await filled("a", "b", "c");
  const [, payload] = [shards.compare("c"), shards.ask("b", "c")];
  expect(await payload.catch(errorCodeOf)).toBe("NOT_LEADER");
  shards.lead("b");
  expect(shards.compare("c")).toEqual(UNKNOWN);
  await shards.until("compared anew", () => shards.compare("c")?.agrees === true);
  shards.stop();
});
