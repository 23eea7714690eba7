import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTP_LIMITS, HttpOrigin } from "../../../src/adapters/release/http-origin.ts";
import { releaseSource } from "../../../src/adapters/release/index.ts";
import {
  TufReleaseSource,
  type TufReleaseSourceOptions,
} from "../../../src/adapters/release/tuf-release-source.ts";
import { errorCodeOf, MyceliumError, messageOf } from "../../../src/base/index.ts";
import { targetNames, targetPath, tufReasonOf } from "../../../src/domain/update/index.ts";
import type { ReleaseSource } from "../../../src/ports/index.ts";
import { cutAfter, endless, part, ReleaseServer, stalling } from "./release-server.ts";
import { makeKey, NOW_MS, sha256, TestRepository } from "./test-repository.ts";

const DAY_MS = 86_400_000;
const { shipped, pack } = targetNames("0.2.0", "x64");
/** For limits that a test waits for. */
const SHORT_MS = 50;

let directory: string;
let repository: TestRepository;
let server: ReleaseServer;
/** What members of the network keep for each other. */
let network: Map<string, Uint8Array>;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "release-"));
  repository = TestRepository.withRelease();
  server = new ReleaseServer(repository);
  network = new Map();
});
afterEach(async () => {
  await server.close();
  fs.rmSync(directory, { recursive: true });
});

function source(url: string | null = server.url, name = "node"): ReleaseSource {
  return releaseSource({
    directory: join(directory, name),
    channel: "stable",
    trustedRoot: repository.firstRoot,
    builtAtMs: 0,
    url,
    readFromNetwork: async (path) => network.get(path) ?? null,
  });
}

function options(): TufReleaseSourceOptions {
  return {
    directory: join(directory, "node"),
    channel: "stable",
    trustedRoot: repository.firstRoot,
    builtAtMs: 0,
    origins: [new HttpOrigin(server.url)],
  };
}

/** The reason of a refusal, else the code of the error, else "ok". */
async function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "ok",
    (error: unknown) => tufReasonOf(error) ?? errorCodeOf(error) ?? messageOf(error),
  );
}

function pathOf(target: string): string {
  const hex = sha256(repository.targets.get(target)!.content);
  return targetPath(target, { algorithm: "sha256", hex });
}

function contentOf(target: string): Uint8Array {
  return repository.targets.get(target)!.content;
}

describe("a release", () => {
  test("is what the channel and the signed metadata of its files say", async () => {
    const release = await source().refresh(NOW_MS);
    expect(release).toMatchObject({ version: "0.2.0", channel: "stable", notes: "Mends things" });
    expect(release?.targets.map(({ arch }) => arch)).toEqual(["x64", "arm64"]);
    expect(release?.targets[0]).toMatchObject({
      shippedSha256: sha256(contentOf(shipped)),
      shippedSizeBytes: 100_000,
      stateFormat: 1,
      sqlite: "3.53.4",
    });
  });

  test("may be older than the last one: new metadata that names it is a rollback on purpose", async () => {
    repository.addRelease("0.3.0");
    repository.publish("targets", "snapshot", "timestamp");
    const releases = source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.3.0");
    repository.pointChannel("stable", "0.2.0");
    repository.publish("targets", "snapshot", "timestamp");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect((await releases.release("0.3.0"))?.version).toBe("0.3.0");
    expect(await releases.release("0.4.0")).toBeNull();
  });

  test("is none while the channel is at nothing", async () => {
    repository.targets.delete("channels/stable.json");
    repository.publish("targets", "snapshot", "timestamp");
    expect(await source().refresh(NOW_MS)).toBeNull();
  });

  test("comes from a directory as well", async () => {
    const mirror = join(directory, "mirror");
    for (const [path, content] of repository.files) {
      fs.mkdirSync(join(mirror, path, ".."), { recursive: true });
      fs.writeFileSync(join(mirror, path), content);
    }
    const releases = source(mirror);
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(fs.readFileSync(await releases.download(shipped))).toEqual(
      Buffer.from(contentOf(shipped)),
    );
    expect(await releases.readRange(pack, 150_000, 50_000)).toEqual(contentOf(pack).slice(150_000));
    const noMirror = source(join(directory, "not-mounted"), "other");
    expect(await outcome(noMirror.refresh(NOW_MS))).toBe("UNREACHABLE");
  });
});

describe("a wrong target is refused", () => {
  test.each([
    ["another version", { version: "0.1.0" }],
    ["another architecture", { arch: "riscv" }],
    ["the same core for two architectures", { coreSha256: "c".repeat(64) }],
  ])("%s", async (_, overrides) => {
    repository.addRelease("0.2.0", overrides);
    repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(source().refresh(NOW_MS))).toBe("target");
  });

  test("one that does not say what it is", async () => {
    repository.addRelease("0.2.0", { coreSize: "large" });
    repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(source().refresh(NOW_MS))).toBe("malformed");
  });

  test("a version that is not there", async () => {
    repository.pointChannel("stable", "9.9.9");
    repository.publish("targets", "snapshot", "timestamp");
    expect(await outcome(source().refresh(NOW_MS))).toBe("missing");
  });
});

describe("time", () => {
  test("never goes back: a clock that was set back does not make metadata fresh again", async () => {
    repository.expires.timestamp = NOW_MS + 30 * DAY_MS;
    repository.publish("timestamp");
    expect(await outcome(source().refresh(NOW_MS + 29 * DAY_MS))).toBe("ok");
    repository.expires.timestamp = NOW_MS + 7 * DAY_MS;
    repository.publish("timestamp");
    expect(await outcome(source().refresh(NOW_MS))).toBe("expired");
  });

  test("is not before the build", async () => {
    const releases = new TufReleaseSource({ ...options(), builtAtMs: NOW_MS + 60 * DAY_MS });
    expect(await outcome(releases.refresh(0))).toBe("expired");
  });
});

describe("the network's own store", () => {
  async function share(): Promise<void> {
    const first = source(server.url, "first");
    const release = await first.refresh(NOW_MS);
    for (const { path, content } of await first.files(release!)) network.set(path, content);
  }

  test("is enough for nodes without Internet, who verify the same bytes themselves", async () => {
    await share();
    const first = await source(server.url, "second").refresh(NOW_MS);
    const offline = source(null, "offline");
    expect((await offline.refresh(NOW_MS))?.digest).toBe(first!.digest);
    const { chunks } = targetNames("0.2.0", "arm64");
    expect(await offline.read(chunks, 100)).toEqual(contentOf(chunks));
    expect(await outcome(offline.read(pack, 1_000_000))).toBe("UNREACHABLE");
  });

  test("leads a node over every root since its own", async () => {
    const first = repository.firstRoot;
    repository.publish("root");
    repository.publish("root", "timestamp");
    await share();
    expect(repository.firstRoot).toBe(first);
    expect((await source(null, "offline").refresh(NOW_MS))?.version).toBe("0.2.0");
  });

  test("leads members of an older core on, though the one who filled it began later", async () => {
    const old = repository.firstRoot;
    repository.keys.root.push(makeKey());
    repository.publish("root");
    repository.publish("root", "timestamp");
    const later = { trustedRoot: repository.served("root"), directory: join(directory, "later") };
    const filler = new TufReleaseSource({ ...options(), ...later });
    const release = await filler.refresh(NOW_MS);
    for (const { path, content } of await filler.files(release!)) network.set(path, content);
    expect(repository.firstRoot).toBe(old);
    expect((await source(null, "offline").refresh(NOW_MS))?.version).toBe("0.2.0");
    // Going back to a core with an older root keeps what was trusted.
    const before = repository.served("timestamp");
    repository.publish("timestamp");
    await filler.refresh(NOW_MS);
    repository.serve("timestamp", before);
    const back = new TufReleaseSource({ ...options(), ...later, trustedRoot: old });
    expect(await outcome(back.refresh(NOW_MS))).toBe("rollback");
  });

  test("takes no past roots from a liar", async () => {
    const stranger = TestRepository.withRelease();
    repository.publish("root");
    const second = repository.served("root");
    server.misbehave = (path) =>
      path === "metadata/1.root.json" ? new Response(stranger.firstRoot) : null;
    const filler = new TufReleaseSource({ ...options(), trustedRoot: second });
    const release = await filler.refresh(NOW_MS);
    const paths = (await filler.files(release!)).map(({ path }) => path);
    expect(paths.filter((path) => path.endsWith("root.json"))).toEqual(["metadata/2.root.json"]);
  });

  test("may be empty or behind without a word", async () => {
    const releases = source();
    expect(await source(null, "alone").refresh(NOW_MS)).toBeNull();
    await share();
    repository.publish("timestamp");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems()).toEqual([]);
  });

  test("may be poisoned by a member: that is told, and the URL serves", async () => {
    await share();
    const forged = TestRepository.withRelease("0.9.0");
    for (const [path, content] of forged.files) network.set(path, content);
    const releases = source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems().map(({ origin }) => origin)).toEqual(["the network's own store"]);
  });

  test("serves when the URL does not answer: that is told", async () => {
    await share();
    server.misbehave = () => new Response(null, { status: 503 });
    const releases = source();
    expect((await releases.refresh(NOW_MS))?.version).toBe("0.2.0");
    expect(releases.problems()[0]?.error.message).toContain("answered 503");
    network.clear();
    expect(await outcome(source(server.url, "fresh").refresh(NOW_MS))).toBe("UNREACHABLE");
  });
});

describe("a hostile server", () => {
  const limits = { ...HTTP_LIMITS };
  afterEach(() => Object.assign(limits, HTTP_LIMITS));

  function watchful(): TufReleaseSource {
    return new TufReleaseSource({
      ...options(),
      origins: [new HttpOrigin(server.url, limits)],
    });
  }

  test.each([
    ["metadata without an end", "TOO_LARGE", endless],
    ["metadata that is cut off", "malformed", () => new Response("{")],
    ["a page of another server", "malformed", () => new Response("<html>Log in first</html>")],
    ["a redirect to itself", "UNREACHABLE", () => Response.redirect("/metadata/timestamp.json")],
    ["a redirect to a file", "UNREACHABLE", () => redirect("file:///etc/passwd")],
  ] as const)("%s", async (_, expected, answer) => {
    server.misbehave = (path) => (path === "metadata/timestamp.json" ? answer() : null);
    expect(await outcome(watchful().refresh(NOW_MS))).toBe(expected);
  });

  test.each([
    ["that sends nothing any more", "nothing came for 50 ms", { stallMs: SHORT_MS }],
    [
      "that sends too slowly",
      "slower than 1000000000 bytes a second",
      { graceMs: SHORT_MS, bytesPerSecondMin: 1_000_000_000 },
    ],
  ])("%s is given up, with metadata and with targets", async (_, reason, short) => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    server.misbehave = () => stalling();
    Object.assign(limits, short);
    for (const asked of [() => releases.refresh(NOW_MS), () => releases.download(shipped)]) {
      const error = await asked().catch((thrown: unknown) => thrown);
      expect(errorCodeOf(error)).toBe("UNREACHABLE");
      expect(messageOf(error)).toContain(reason);
    }
    Object.assign(limits, HTTP_LIMITS);
    server.misbehave = () => null;
    expect(await outcome(releases.download(shipped))).toBe("ok");
  });

  test("a redirect to where the file is, is followed", async () => {
    server.misbehave = (path) =>
      path.startsWith("metadata/") ? redirect(`/moved/${path}`) : moved(path);
    const moved = (path: string) => {
      const file = repository.files.get(path.replace(/^moved\//, ""));
      return path.startsWith("moved/")
        ? new Response(file ?? null, { status: file ? 200 : 404 })
        : null;
    };
    expect((await watchful().refresh(NOW_MS))?.version).toBe("0.2.0");
  });

  test("sends compressed nonsense that would swell", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(50_000_000));
    server.misbehave = (path) =>
      path.startsWith("metadata/timestamp")
        ? new Response(bomb, { headers: { "Content-Encoding": "gzip" } })
        : null;
    expect(await outcome(watchful().refresh(NOW_MS))).toBe("TOO_LARGE");
  });

  test.each([
    [
      "other bytes of the same length",
      "hash",
      (file: Uint8Array) => new Response(file.toReversed()),
    ],
    ["fewer bytes", "size", (file: Uint8Array) => new Response(file.slice(1))],
    ["bytes without an end", "hash", () => endless()],
  ])("sends a target as %s", async (_, expected, answer) => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    server.misbehave = (path) => (path === pathOf(shipped) ? answer(contentOf(shipped)) : null);
    expect(await outcome(releases.download(shipped))).toBe(expected);
    server.misbehave = () => null;
    expect(sha256(fs.readFileSync(await releases.download(shipped)))).toBe(
      sha256(contentOf(shipped)),
    );
  });

  test("sends a small target with other bytes", async () => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    const { chunks } = targetNames("0.2.0", "x64");
    const answers = { hash: contentOf(chunks).toReversed(), size: contentOf(chunks).slice(1) };
    for (const [reason, bytes] of Object.entries(answers)) {
      server.misbehave = (path) => (path === pathOf(chunks) ? new Response(bytes) : null);
      expect(await outcome(releases.read(chunks, 100))).toBe(reason);
    }
    server.misbehave = () => endless();
    expect(await outcome(releases.read(chunks, 100))).toBe("TOO_LARGE");
  });

  test("gives too little, too much or the wrong part of a range", async () => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    const answers = [
      () => part(contentOf(pack), "bytes=1000-1500"),
      () => part(contentOf(pack), "bytes=2000-2999"),
      () => new Response(contentOf(pack)),
    ];
    for (const answer of answers) {
      server.misbehave = (path) => (path === pathOf(pack) ? answer() : null);
      expect(await outcome(releases.readRange(pack, 1_000, 1_000))).toBe("UNREACHABLE");
    }
    server.misbehave = (path) =>
      path === pathOf(pack) ? part(contentOf(pack), "bytes=1000-199999") : null;
    expect(await releases.readRange(pack, 1_000, 1_000)).toEqual(
      contentOf(pack).slice(1_000, 2_000),
    );
    expect(await outcome(releases.readRange(pack, 199_999, 2))).toBe("TOO_LARGE");
  });
});

test("ranges come over one connection", async () => {
  const releases = source();
  await releases.refresh(NOW_MS);
  server.connections.clear();
  for (let offset = 0; offset < 200_000; offset += 20_000) {
    const bytes = await releases.readRange(pack, offset, 20_000);
    expect(bytes).toEqual(contentOf(pack).slice(offset, offset + 20_000));
  }
  expect(server.connections.size).toBe(1);
});

test("what is named can be read after a restart, before anybody asked what is new", async () => {
  await source().refresh(NOW_MS);
  const { chunks } = targetNames("0.2.0", "x64");
  expect(await source().read(chunks, 100)).toEqual(contentOf(chunks));
  expect(await outcome(source(null, "alone").read(chunks, 100))).toBe("UNREACHABLE");
});

test("what was verified can be read on when an origin fails later", async () => {
  const releases = source();
  await releases.refresh(NOW_MS);
  repository.serve("timestamp", Uint8Array.of(0x7b));
  expect(await outcome(releases.refresh(NOW_MS))).toBe("malformed");
  expect(await outcome(releases.download(shipped))).toBe("ok");
});

describe("a download", () => {
  let releases: ReleaseSource;
  const content = () => contentOf(shipped);
  beforeEach(async () => {
    releases = source();
    await releases.refresh(NOW_MS);
    server.asked.length = 0;
  });

  test("that was cut off goes on where it was, also after a restart", async () => {
    server.misbehave = () => cutAfter(content(), 60_000);
    expect(await outcome(releases.download(shipped))).toBe("size");
    server.misbehave = () => null;
    const again = source();
    await again.refresh(NOW_MS);
    const seen: number[] = [];
    const path = await again.download(shipped, (sizeBytes) => seen.push(sizeBytes));
    expect(fs.readFileSync(path)).toEqual(Buffer.from(content()));
    expect(seen[0]).toBe(60_000);
    expect(server.asked.at(-1)).toEndWith(" bytes=60000-99999");
  });

  test("begins anew where the server knows no ranges", async () => {
    server.misbehave = () => cutAfter(content(), 60_000);
    await outcome(releases.download(shipped));
    server.misbehave = () => new Response(content());
    expect(fs.readFileSync(await releases.download(shipped))).toEqual(Buffer.from(content()));
  });

  test("is not fetched twice, and is removed when it was used", async () => {
    const path = await releases.download(shipped);
    expect(await releases.download(shipped)).toBe(path);
    expect(server.asked.filter((asked) => asked.startsWith("targets/0.2.0"))).toHaveLength(1);
    await releases.discardDownloads();
    expect(fs.existsSync(path)).toBe(false);
  });

  test("of a mirror that swaps the bytes half way is refused, and leaves nothing behind", async () => {
    const swapped = content().map((byte, at) => (at < 60_000 ? byte : byte ^ 1));
    server.misbehave = () => cutAfter(swapped, 60_000);
    expect(await outcome(releases.download(shipped))).toBe("size");
    server.misbehave = (_, request) => part(swapped, request.headers.get("range"));
    expect(await outcome(releases.download(shipped))).toBe("hash");
    const [left] = fs.readdirSync(join(directory, "node", "downloads"));
    expect(fs.statSync(join(directory, "node", "downloads", left!)).size).toBe(0);
  });

  test("is not spoilt for good by what a hostile mirror began", async () => {
    server.misbehave = () => cutAfter(content().toReversed(), 60_000);
    expect(await outcome(releases.download(shipped))).toBe("size");
    server.misbehave = () => null;
    expect(await outcome(releases.download(shipped))).toBe("ok");
  });

  test("is judged by what is on the disk, not by what came", async () => {
    const folder = join(directory, "node", "downloads");
    const swapped = releases.download(shipped, (sizeBytes) => {
      if (sizeBytes !== content().length) return;
      // The last piece was written: whoever can write here now, the check comes later.
      const [name] = fs.readdirSync(folder);
      const handle = fs.openSync(join(folder, name!), "r+");
      fs.writeSync(handle, Uint8Array.of(0xff), 0, 1, 50_000);
      fs.closeSync(handle);
    });
    expect(await outcome(swapped)).toBe("hash");
    expect(fs.readdirSync(folder).map((name) => fs.statSync(join(folder, name)).size)).toEqual([0]);
  });

  test("that was damaged on the disk since is fetched again", async () => {
    const path = await releases.download(shipped);
    fs.writeFileSync(path, content().toReversed());
    expect(await releases.download(shipped)).toBe(path);
    expect(sha256(fs.readFileSync(path))).toBe(sha256(content()));
  });

  test("of another release takes the place of an older one", async () => {
    await releases.download(shipped);
    await releases.download(pack);
    expect(fs.readdirSync(join(directory, "node", "downloads"))).toEqual([sha256(contentOf(pack))]);
  });
});

test("a refusal says what was found, what was needed and what to do", async () => {
  const error = await source()
    .refresh(NOW_MS + 8 * DAY_MS)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MyceliumError);
  expect(messageOf(error)).toBe(
    "Cannot trust the release: timestamp.json expired at 2026-11-27T00:00:00.000Z, now it is " +
      "2026-11-28T00:00:00.000Z; the mirror holds newer ones back, or the publisher has to sign anew",
  );
});

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { Location: location } });
}
