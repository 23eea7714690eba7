import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { HTTP_LIMITS, HttpOrigin } from "../../../src/adapters/release/http-origin.ts";
import { TufReleaseSource } from "../../../src/adapters/release/tuf-release-source.ts";
import { errorCodeOf, messageOf } from "../../../src/base/index.ts";
import type { ReleaseSource } from "../../../src/ports/index.ts";
import { cutAfter, endless, part, stalling } from "./release-server.ts";
import { CHUNKS, outcome, PACK, ReleaseWorld, SHIPPED } from "./release-world.ts";
import { NOW_MS, sha256 } from "./test-repository.ts";

/** For limits that a test waits for. */
const SHORT_MS = 50;

let world: ReleaseWorld;
beforeEach(() => {
  world = new ReleaseWorld();
});
afterEach(() => world.close());

describe("a hostile server", () => {
  const limits = { ...HTTP_LIMITS };
  afterEach(() => Object.assign(limits, HTTP_LIMITS));

  function watchful(): TufReleaseSource {
    return new TufReleaseSource({
      ...world.options(),
      origins: [new HttpOrigin(world.server.url, limits)],
    });
  }

  test.each([
    ["metadata without an end", "TOO_LARGE", endless],
    ["metadata that is cut off", "malformed", () => new Response("{")],
    ["a page of another server", "malformed", () => new Response("<html>Log in first</html>")],
    ["a redirect to itself", "UNREACHABLE", () => Response.redirect("/metadata/timestamp.json")],
    ["a redirect to a file", "UNREACHABLE", () => redirect("file:///etc/passwd")],
  ] as const)("%s", async (_, expected, answer) => {
    world.server.misbehave = (path) => (path === "metadata/timestamp.json" ? answer() : null);
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
    world.server.misbehave = () => stalling();
    Object.assign(limits, short);
    for (const asked of [() => releases.refresh(NOW_MS), () => releases.download(SHIPPED)]) {
      const error = await asked().catch((thrown: unknown) => thrown);
      expect(errorCodeOf(error)).toBe("UNREACHABLE");
      expect(messageOf(error)).toContain(reason);
    }
    Object.assign(limits, HTTP_LIMITS);
    world.server.misbehave = () => null;
    expect(await outcome(releases.download(SHIPPED))).toBe("ok");
  });

  test("a redirect to where the file is, is followed", async () => {
    world.server.misbehave = (path) =>
      path.startsWith("metadata/") ? redirect(`/moved/${path}`) : moved(path);
    const moved = (path: string) => {
      const file = world.repository.files.get(path.replace(/^moved\//, ""));
      return path.startsWith("moved/")
        ? new Response(file ?? null, { status: file ? 200 : 404 })
        : null;
    };
    expect((await watchful().refresh(NOW_MS))?.version).toBe("0.2.0");
  });

  test("sends compressed nonsense that would swell", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(50_000_000));
    world.server.misbehave = (path) =>
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
    world.server.misbehave = (path) =>
      path === world.pathOf(SHIPPED) ? answer(world.contentOf(SHIPPED)) : null;
    expect(await outcome(releases.download(SHIPPED))).toBe(expected);
    world.server.misbehave = () => null;
    expect(sha256(fs.readFileSync(await releases.download(SHIPPED)))).toBe(
      sha256(world.contentOf(SHIPPED)),
    );
  });

  test("sends a small target with other bytes", async () => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    const answers = {
      hash: world.contentOf(CHUNKS).toReversed(),
      size: world.contentOf(CHUNKS).slice(1),
    };
    for (const [reason, bytes] of Object.entries(answers)) {
      world.server.misbehave = (path) =>
        path === world.pathOf(CHUNKS) ? new Response(bytes) : null;
      expect(await outcome(releases.read(CHUNKS, 100))).toBe(reason);
    }
    world.server.misbehave = () => endless();
    expect(await outcome(releases.read(CHUNKS, 100))).toBe("TOO_LARGE");
  });

  test("gives too little, too much or the wrong part of a range", async () => {
    const releases = watchful();
    await releases.refresh(NOW_MS);
    const answers = [
      () => part(world.contentOf(PACK), "bytes=1000-1500"),
      () => part(world.contentOf(PACK), "bytes=2000-2999"),
      () => new Response(world.contentOf(PACK)),
    ];
    for (const answer of answers) {
      world.server.misbehave = (path) => (path === world.pathOf(PACK) ? answer() : null);
      expect(await outcome(releases.readRange(PACK, 1_000, 1_000))).toBe("UNREACHABLE");
    }
    world.server.misbehave = (path) =>
      path === world.pathOf(PACK) ? part(world.contentOf(PACK), "bytes=1000-199999") : null;
    expect(await releases.readRange(PACK, 1_000, 1_000)).toEqual(
      world.contentOf(PACK).slice(1_000, 2_000),
    );
    expect(await outcome(releases.readRange(PACK, 199_999, 2))).toBe("TOO_LARGE");
  });
});

test("ranges come over one connection", async () => {
  const releases = world.source();
  await releases.refresh(NOW_MS);
  world.server.connections.clear();
  for (let offset = 0; offset < 200_000; offset += 20_000) {
    const bytes = await releases.readRange(PACK, offset, 20_000);
    expect(bytes).toEqual(world.contentOf(PACK).slice(offset, offset + 20_000));
  }
  expect(world.server.connections.size).toBe(1);
});

test("what is named can be read after a restart, before anybody asked what is new", async () => {
  await world.source().refresh(NOW_MS);
  expect(await world.source().read(CHUNKS, 100)).toEqual(world.contentOf(CHUNKS));
  expect(await outcome(world.source(null, "alone").read(CHUNKS, 100))).toBe("UNREACHABLE");
});

test("what was verified can be read on when an origin fails later", async () => {
  const releases = world.source();
  await releases.refresh(NOW_MS);
  world.repository.serve("timestamp", Uint8Array.of(0x7b));
  expect(await outcome(releases.refresh(NOW_MS))).toBe("malformed");
  expect(await outcome(releases.download(SHIPPED))).toBe("ok");
});

describe("a download", () => {
  let releases: ReleaseSource;
  const content = () => world.contentOf(SHIPPED);
  beforeEach(async () => {
    releases = world.source();
    await releases.refresh(NOW_MS);
    world.server.asked.length = 0;
  });

  test("that was cut off goes on where it was, also after a restart", async () => {
    world.server.misbehave = () => cutAfter(content(), 60_000);
    expect(await outcome(releases.download(SHIPPED))).toBe("size");
    world.server.misbehave = () => null;
    const again = world.source();
    await again.refresh(NOW_MS);
    const seen: number[] = [];
    const path = await again.download(SHIPPED, (sizeBytes) => seen.push(sizeBytes));
    expect(fs.readFileSync(path)).toEqual(Buffer.from(content()));
    expect(seen[0]).toBe(60_000);
    expect(world.server.asked.at(-1)).toEndWith(" bytes=60000-99999");
  });

  test("begins anew where the server knows no ranges", async () => {
    world.server.misbehave = () => cutAfter(content(), 60_000);
    await outcome(releases.download(SHIPPED));
    world.server.misbehave = () => new Response(content());
    expect(fs.readFileSync(await releases.download(SHIPPED))).toEqual(Buffer.from(content()));
  });

  test("is not fetched twice, and is removed when it was used", async () => {
    const path = await releases.download(SHIPPED);
    expect(await releases.download(SHIPPED)).toBe(path);
    expect(world.server.asked.filter((asked) => asked.startsWith("targets/0.2.0"))).toHaveLength(1);
    await releases.discardDownloads();
    expect(fs.existsSync(path)).toBe(false);
  });

  test("of a mirror that swaps the bytes half way is refused, and leaves nothing behind", async () => {
    const swapped = content().map((byte, at) => (at < 60_000 ? byte : byte ^ 1));
    world.server.misbehave = () => cutAfter(swapped, 60_000);
    expect(await outcome(releases.download(SHIPPED))).toBe("size");
    world.server.misbehave = (_, request) => part(swapped, request.headers.get("range"));
    expect(await outcome(releases.download(SHIPPED))).toBe("hash");
    const [left] = fs.readdirSync(join(world.directory, "node", "downloads"));
    expect(fs.statSync(join(world.directory, "node", "downloads", left!)).size).toBe(0);
  });

  test("is not spoilt for good by what a hostile mirror began", async () => {
    world.server.misbehave = () => cutAfter(content().toReversed(), 60_000);
    expect(await outcome(releases.download(SHIPPED))).toBe("size");
    world.server.misbehave = () => null;
    expect(await outcome(releases.download(SHIPPED))).toBe("ok");
  });

  test("is judged by what is on the disk, not by what came", async () => {
    const folder = join(world.directory, "node", "downloads");
    const swapped = releases.download(SHIPPED, (sizeBytes) => {
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
    const path = await releases.download(SHIPPED);
    fs.writeFileSync(path, content().toReversed());
    expect(await releases.download(SHIPPED)).toBe(path);
    expect(sha256(fs.readFileSync(path))).toBe(sha256(content()));
  });

  test("of another release takes the place of an older one", async () => {
    await releases.download(SHIPPED);
    await releases.download(PACK);
    expect(fs.readdirSync(join(world.directory, "node", "downloads"))).toEqual([
      sha256(world.contentOf(PACK)),
    ]);
  });
});

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { Location: location } });
}
