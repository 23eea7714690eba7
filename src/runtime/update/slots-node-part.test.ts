import { beforeEach, describe, expect, test } from "bun:test";
import { concatBytes, errorCodeOf, messageOf } from "../../base/index.ts";
import { CHUNK_METHOD, encodeChunkRequest } from "./chunk-protocol.ts";
import { MadeRelease, noise, UpdateWorld, type WorldNode } from "./testing/update-world.ts";

const MIB = 1_048_576;
const bytes = noise(2 * MIB, 1);
const OLD = new MadeRelease("0.1.0", bytes);
/** Differs in the middle only. */
const NEW = new MadeRelease(
  "0.2.0",
  concatBytes(bytes.subarray(0, MIB), noise(700, 2), bytes.subarray(MIB)),
);
const FOREIGN = new MadeRelease("0.3.0", noise(2 * MIB, 3));
let world: UpdateWorld;
let node: WorldNode;

beforeEach(() => {
  world = new UpdateWorld();
  world.releases.push(OLD, NEW, FOREIGN);
  node = world.add(OLD);
});

async function refusal(promise: Promise<unknown>): Promise<string> {
  return world.settle(
    promise.then(
      () => "resolved",
      (error) => `${errorCodeOf(error)}: ${messageOf(error)}`,
    ),
  );
}

describe("stage()", () => {
  test("fetches of the origin only what the core on disk has not", async () => {
    world.leader = node.id;
    await world.settle(node.part.stage(NEW.release));
    expect(node.disk.record.standby).toEqual(NEW.core);
    expect(node.disk.cores.get(NEW.core.sha256)).toEqual(NEW.bytes);
    expect(world.origin.packBytes).toBeLessThan(MIB / 2);
    const { staging, phase, standby } = node.part.view();
    expect(phase).toBe("staged");
    expect(standby?.version).toBe("0.2.0");
    expect(staging).toMatchObject({ doneBytes: NEW.bytes.length, totalBytes: NEW.bytes.length });
    expect(staging?.originBytes).toBe(world.origin.packBytes);
  });

  test("what is staged or active already is fetched no second time", async () => {
    await world.settle(node.part.stage(NEW.release));
    const before = world.origin.packBytes;
    await world.settle(node.part.stage(NEW.release));
    await world.settle(node.part.stage(OLD.release));
    expect(world.origin.packBytes).toBe(before);
  });

  test("a node without a way to the origin gets all from its peers", async () => {
    const lonely = world.add(OLD, false);
    await world.settle(node.part.stage(FOREIGN.release));
    const atOrigin = world.origin.packBytes;
    await world.settle(lonely.part.stage(FOREIGN.release));
    expect(lonely.disk.record.standby).toEqual(FOREIGN.core);
    expect(world.origin.packBytes).toBe(atOrigin);
    expect(lonely.part.view().staging).toMatchObject({ originBytes: 0, localBytes: 0 });
  });

  test("twenty nodes at once fetch from the origin little more than the core once", async () => {
    for (let i = 1; i < 20; i++) world.add(OLD);
    world.leader = node.id;
    world.origin.bytesPerMs = 100;
    await world.settle(
      Promise.all(world.nodes.map(({ part }) => part.stage(FOREIGN.release))).then(() => {}),
    );
    for (const { disk } of world.nodes) expect(disk.record.standby).toEqual(FOREIGN.core);
    expect(world.origin.packBytes).toBeLessThan(1.1 * FOREIGN.pack.length);
  });

  test("a peer that serves bad chunks is left, and the truth fetched elsewhere", async () => {
    const liar = world.add(FOREIGN);
    const good = world.add(FOREIGN);
    liar.falsify = (chunk) => chunk.fill(7);
    world.origin.isReachable = false;
    await world.settle(node.part.stage(FOREIGN.release));
    expect(node.disk.record.standby).toEqual(FOREIGN.core);
    // What was under way with it when the first came.
    expect(liar.servedBytes).toBeLessThan(4 * 256 * 1_024);
    expect(good.servedBytes).toBeGreaterThan(MIB);
  });

  test("an origin that serves other bytes, or frames that unpack to more, is refused by name", async () => {
    world.leader = node.id;
    world.origin.falsify = (range) => range.fill(1);
    const told = await refusal(node.part.stage(NEW.release));
    expect(told).toStartWith("UNREACHABLE: Cannot fetch the new version");
    expect(told).toContain("the origin: it served a bad chunk");
    expect(node.part.view()).toMatchObject({ phase: "idle", standby: null });
    expect(node.part.view().problem).toContain("bad chunk");
    world.origin.falsify = () => Bun.zstdCompressSync(new Uint8Array(64 * MIB));
    expect(await refusal(node.part.stage(NEW.release))).toContain("bad chunk");
  });

  test("a node that is stopped half way goes on with what it has", async () => {
    world.leader = node.id;
    let left = 4;
    world.origin.falsify = (range) => {
      if (left-- <= 0) world.origin.isReachable = false;
      return range;
    };
    expect(await refusal(node.part.stage(FOREIGN.release))).toStartWith("UNREACHABLE");
    const before = world.origin.packBytes;
    world.origin.isReachable = true;
    world.origin.falsify = (range) => range;
    await world.settle(node.part.stage(FOREIGN.release));
    expect(node.part.view().staging?.localBytes).toBeGreaterThan(MIB / 2);
    expect(world.origin.packBytes - before).toBeLessThan(FOREIGN.pack.length - MIB / 2);
  });

  test("a node alone that has nothing of it takes the shipped file, if that is smaller", async () => {
    const targets = [{ ...FOREIGN.target, shippedSizeBytes: FOREIGN.pack.length - 1 }];
    await world.settle(node.part.stage({ ...FOREIGN.release, targets }));
    expect(node.disk.record.standby).toEqual(FOREIGN.core);
    expect(world.origin.downloads).toEqual(["0.3.0/mycelium-linux-x64"]);
    expect(world.origin.packBytes).toBe(0);
    expect(node.part.view().staging).toMatchObject({ doneBytes: FOREIGN.bytes.length });
  });

  test("a leader fetches nothing from the origin that its peers have", async () => {
    world.add(FOREIGN);
    world.leader = node.id;
    await world.settle(node.part.stage(FOREIGN.release));
    expect(world.origin.packBytes).toBe(0);
  });

  test("goes to the origin by itself when the leader does not come along", async () => {
    world.add(OLD);
    await world.settle(node.part.stage(FOREIGN.release));
    expect(world.scheduler.nowMs).toBeGreaterThan(10_000);
    expect(node.disk.record.standby).toEqual(FOREIGN.core);
  });

  test("refuses an index of another core, another machine's release, and one below the floor", async () => {
    const forged = { ...NEW.target, coreSha256: OLD.target.coreSha256.replace(/./, "0") };
    expect(await refusal(node.part.stage({ ...NEW.release, targets: [forged] }))).toContain(
      "its chunk index is of core",
    );
    const arm = { ...NEW.target, arch: "arm64" as const };
    expect(await refusal(node.part.stage({ ...NEW.release, targets: [arm] }))).toContain("for x64");
    await node.part.finalise(2);
    expect(await refusal(node.part.stage(NEW.release))).toStartWith("UPDATE_REFUSED");
  });

  test("one thing at a time", async () => {
    const first = node.part.stage(NEW.release);
    expect(await refusal(node.part.stage(FOREIGN.release))).toStartWith("OVERLOADED");
    await world.settle(first);
  });
});

describe("switchOver() and rollback()", () => {
  test("puts what is staged on trial and asks for the restart", async () => {
    await world.settle(node.part.stage(NEW.release));
    void node.part.switchOver();
    await world.settle(world.pause(10));
    expect(node.restarts).toBe(1);
    expect(node.part.view().phase).toBe("draining");
    expect(node.disk.record).toMatchObject({ active: NEW.core, standby: OLD.core, state: "trial" });
  });

  test("without anything staged, both are refused, and the node goes on", async () => {
    expect(await refusal(node.part.switchOver())).toStartWith("STATE_MISSING");
    expect(await refusal(node.part.rollback())).toStartWith("STATE_MISSING");
    expect(node.restarts).toBe(0);
    expect(node.part.view().phase).toBe("idle");
  });

  test("a rollback takes the standby, whatever it is", async () => {
    node.disk.cores.set(NEW.core.sha256, NEW.bytes);
    node.disk.record = { ...node.disk.record, standby: NEW.core };
    void node.part.rollback();
    await world.settle(world.pause(10));
    expect(node.disk.record).toMatchObject({ active: NEW.core, state: "trial" });
    expect(node.restarts).toBe(1);
  });

  test("a version that is taken back is refused with the reason, and the one before starts confirmed", async () => {
    expect(await refusal(node.part.takeBack("its data differs"))).toStartWith("STATE_MISSING");
    node.disk.cores.set(NEW.core.sha256, NEW.bytes);
    node.disk.record = { ...node.disk.record, standby: NEW.core };
    void node.part.takeBack("its data differs");
    await world.settle(world.pause(10));
    expect(node.disk.record).toMatchObject({
      active: NEW.core,
      standby: OLD.core,
      state: "confirmed",
      refused: OLD.core.sha256,
      reason: "its data differs",
    });
    expect(node.restarts).toBe(1);
  });
});

describe("the chunk server", () => {
  test("refuses what it has not, what is too long, and what it cannot read", async () => {
    const ask = (offset: number, sizeBytes: number, core = OLD.core.sha256) =>
      refusal(node.server.handle(CHUNK_METHOD, encodeChunkRequest({ core, offset, sizeBytes })));
    expect(await ask(0, 10)).toBe("resolved");
    expect(await ask(OLD.bytes.length, 1)).toStartWith("UNREACHABLE");
    expect(await ask(0, 10, NEW.core.sha256)).toStartWith("UNREACHABLE");
    expect(await ask(0, 256 * 1_024 + 1)).toStartWith("MALFORMED");
    expect(await ask(-1, 10)).toStartWith("MALFORMED");
    expect(await ask(0, 10, "../../record")).toStartWith("MALFORMED");
    expect(await refusal(node.server.handle(CHUNK_METHOD, noise(30, 4)))).toStartWith("MALFORMED");
  });
});
