import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { TufReleaseSource } from "../../../src/adapters/release/tuf-release-source.ts";
import { MyceliumError, messageOf } from "../../../src/base/index.ts";
import { targetNames } from "../../../src/domain/update/index.ts";
import { outcome, PACK, ReleaseWorld, SHIPPED } from "./release-world.ts";
import { makeKey, NOW_MS, sha256, TestRepository } from "./test-repository.ts";

const DAY_MS = 86_400_000;

let world: ReleaseWorld;
beforeEach(() => {
  world = new ReleaseWorld();
});
afterEach(() => world.close());

describe("a release", () => {
  test("is what the channel and the signed metadata of its files say", async () => {
    const release = await world.source().refresh(NOW_MS);
    expect(release).toMatchObject({ version: "0.2.0", channel: "stable", notes: "Mends things" });
    expect(release?.targets.map(({ arch }) => arch)).toEqual(["x64", "arm64"]);
    expect(release?.targets[0]).toMatchObject({
      shippedSha256: sha256(world.contentOf(SHIPPED)),
      shippedSizeBytes: 100_000,
      stateFormat: 1,
      sqlite: "3.53.4",
    });
  });

  test("may be older than the last one: new metadata that names it is a rollback on purpose", async () => {
    world.repository.addRelease("0.3.0");
    world.repository.publish("targets", "snapshot", "timestamp");
    const releases = world.source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.3.0");
    world.repository.pointChannel("stable", "0.2.0");
    world.repository.publish("targets", "snapshot", "timestamp");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect((await releases.release("0.3.0"))?.version).toBe("0.3.0");
    expect(await releases.release("0.4.0")).toBeNull();
  });

  test("is none while the channel is at nothing", async () => {
    world.repository.targets.delete("channels/stable.json");
    world.repository.publish("targets", "snapshot", "timestamp");
    expect(await world.source().refresh(NOW_MS)).toBeNull();
  });

  test("comes from a directory as well", async () => {
    const mirror = join(world.directory, "mirror");
    for (const [path, content] of world.repository.files) {
      fs.mkdirSync(join(mirror, path, ".."), { recursive: true });
      fs.writeFileSync(join(mirror, path), content);
    }
    const releases = world.source(mirror);
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(fs.readFileSync(await releases.download(SHIPPED))).toEqual(
      Buffer.from(world.contentOf(SHIPPED)),
    );
    expect(await releases.readRange(PACK, 150_000, 50_000)).toEqual(
      world.contentOf(PACK).slice(150_000),
    );
    const noMirror = world.source(join(world.directory, "not-mounted"), "other");
    expect(await outcome(noMirror.refresh(NOW_MS))).toBe("UNREACHABLE");
  });
});

describe("a wrong target is refused", () => {
  test.each([
    ["another version", { version: "0.1.0" }],
    ["another architecture", { arch: "riscv" }],
    ["the same core for two architectures", { coreSha256: "c".repeat(64) }],
  ])("%s", async (_, overrides) => {
    world.repository.addRelease("0.2.0", overrides);
    world.repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(world.source().refresh(NOW_MS))).toBe("target");
  });

  test("one that does not say what it is", async () => {
    world.repository.addRelease("0.2.0", { coreSize: "large" });
    world.repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(world.source().refresh(NOW_MS))).toBe("malformed");
  });

  test("a version that is not there", async () => {
    world.repository.pointChannel("stable", "9.9.9");
    world.repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(world.source().refresh(NOW_MS))).toBe("missing");
  });
});

describe("time", () => {
  test("never goes back: a clock that was set back does not make metadata fresh again", async () => {
    world.repository.expires.timestamp = NOW_MS + 30 * DAY_MS;
    world.repository.publish("timestamp");
    expect(await outcome(world.source().refresh(NOW_MS + 29 * DAY_MS))).toBe("ok");
    world.repository.expires.timestamp = NOW_MS + 7 * DAY_MS;
    world.repository.publish("timestamp");
    expect(await outcome(world.source().refresh(NOW_MS))).toBe("expired");
  });

  test("is not before the build", async () => {
    const releases = new TufReleaseSource({ ...world.options(), builtAtMs: NOW_MS + 60 * DAY_MS });
    expect(await outcome(releases.refresh(0))).toBe("expired");
  });
});

describe("the network's own store", () => {
  async function share(): Promise<void> {
    const first = world.source(world.server.url, "first");
    const release = await first.refresh(NOW_MS);
    for (const { path, content } of await first.files(release!)) world.network.set(path, content);
  }

  test("is enough for nodes without Internet, who verify the same bytes themselves", async () => {
    await share();
    const first = await world.source(world.server.url, "second").refresh(NOW_MS);
    const offline = world.source(null, "offline");
    expect((await offline.refresh(NOW_MS))?.digest).toBe(first!.digest);
    const { chunks } = targetNames("0.2.0", "arm64");
    expect(await offline.read(chunks, 100)).toEqual(world.contentOf(chunks));
    expect(await outcome(offline.read(PACK, 1_000_000))).toBe("UNREACHABLE");
  });

  test("leads a node over every root since its own", async () => {
    const first = world.repository.firstRoot;
    world.repository.publish("root");
    world.repository.publish("root", "timestamp");
    await share();
    expect(world.repository.firstRoot).toBe(first);
    expect((await world.source(null, "offline").refresh(NOW_MS))?.version).toBe("0.2.0");
  });

  test("leads members of an older core on, though the one who filled it began later", async () => {
    const old = world.repository.firstRoot;
    world.repository.keys.root.push(makeKey());
    world.repository.publish("root");
    world.repository.publish("root", "timestamp");
    const later = {
      trustedRoot: world.repository.served("root"),
      directory: join(world.directory, "later"),
    };
    const filler = new TufReleaseSource({ ...world.options(), ...later });
    const release = await filler.refresh(NOW_MS);
    for (const { path, content } of await filler.files(release!)) world.network.set(path, content);
    expect(world.repository.firstRoot).toBe(old);
    expect((await world.source(null, "offline").refresh(NOW_MS))?.version).toBe("0.2.0");
    // Going back to a core with an older root keeps what was trusted.
    const before = world.repository.served("timestamp");
    world.repository.publish("timestamp");
    await filler.refresh(NOW_MS);
    world.repository.serve("timestamp", before);
    const back = new TufReleaseSource({ ...world.options(), ...later, trustedRoot: old });
    expect(await outcome(back.refresh(NOW_MS))).toBe("rollback");
  });

  test("takes no past roots from a liar", async () => {
    const stranger = TestRepository.withRelease();
    world.repository.publish("root");
    const second = world.repository.served("root");
    world.server.misbehave = (path) =>
      path === "metadata/1.root.json" ? new Response(stranger.firstRoot) : null;
    const filler = new TufReleaseSource({ ...world.options(), trustedRoot: second });
    const release = await filler.refresh(NOW_MS);
    const paths = (await filler.files(release!)).map(({ path }) => path);
    expect(paths.filter((path) => path.endsWith("root.json"))).toEqual(["metadata/2.root.json"]);
  });

  test("may be empty or behind without a word", async () => {
    const releases = world.source();
    expect(await world.source(null, "alone").refresh(NOW_MS)).toBeNull();
    await share();
    world.repository.publish("timestamp");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems()).toEqual([]);
  });

  test("may be poisoned by a member: that is told, and the URL serves", async () => {
    await share();
    const forged = TestRepository.withRelease("0.9.0");
    for (const [path, content] of forged.files) world.network.set(path, content);
    const releases = world.source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems().map(({ origin }) => origin)).toEqual(["the network's own store"]);
  });

  test("serves when the URL does not answer: that is told", async () => {
    await share();
    world.server.misbehave = () => new Response(null, { status: 503 });
    const releases = world.source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems()[0]?.error.message).toContain("answered 503");
    world.network.clear();
    expect(await outcome(world.source(world.server.url, "fresh").refresh(NOW_MS))).toBe(
      "UNREACHABLE",
    );
  });
});

test("a refusal says what was found, what was needed and what to do", async () => {
  const error = await world
    .source()
    .refresh(NOW_MS + 8 * DAY_MS)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MyceliumError);
  expect(messageOf(error)).toBe(
    "Cannot trust the release: timestamp.json expired at 2026-11-27T00:00:00.000Z, now it is " +
      "2026-11-28T00:00:00.000Z; the mirror holds newer ones back, or the publisher has to sign anew",
  );
});
