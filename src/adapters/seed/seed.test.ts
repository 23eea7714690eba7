import { afterAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { errorCodeOf } from "../../base/index.ts";
import { FileSeed } from "./file-seed.ts";
import { seedStorageOf } from "./seed-storage-of.ts";
import { UrlSeed } from "./url-seed.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mycelium-seed-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const codeOf = (promise: Promise<unknown>) => promise.then(() => "none", errorCodeOf);

describe("FileSeed", () => {
  const file = path.join(directory, "deep", "seed.cbor");
  const seed = new FileSeed({ path: file, sizeBytesMax: 100 });

  test("is empty before the first write, then holds what was written last, 0600", async () => {
    expect(await seed.read()).toBeNull();
    await seed.write(new Uint8Array([1, 2, 3]));
    await seed.write(new Uint8Array([4, 5]));
    expect(await seed.read()).toEqual(new Uint8Array([4, 5]));
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(path.dirname(file))).toEqual(["seed.cbor"]);
  });

  test("refuses a file over its limit", async () => {
    await seed.write(new Uint8Array(101));
    expect(await codeOf(seed.read())).toBe("TOO_LARGE");
    await seed.write(new Uint8Array(100));
    expect(await seed.read()).toHaveLength(100);
  });

  test("says why it cannot be read or written", async () => {
    const below = new FileSeed({ path: path.join(file, "below"), sizeBytesMax: 9 });
    expect(await codeOf(below.read())).toBe("UNREACHABLE");
    expect(await codeOf(below.write(new Uint8Array(1)))).toBe("UNREACHABLE");
    expect(await codeOf(new FileSeed({ path: directory, sizeBytesMax: 9 }).read())).toBe(
      "UNREACHABLE",
    );
  });
});

describe("UrlSeed", () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/hang") return new Promise<Response>(() => {});
      if (pathname === "/seed") return new Response(new Uint8Array([7, 8, 9]));
      if (pathname === "/large") return new Response(new Uint8Array(5_000));
      return new Response("no", { status: pathname === "/broken" ? 500 : 404 });
    },
  });
  afterAll(() => server.stop(true));

  const at = (name: string, timeoutMs = 10_000) =>
    new UrlSeed({
      url: `https://seed.example/${name}`,
      sizeBytesMax: 1_000,
      timeoutMs,
      fetch: (url, init) => fetch(new URL(new URL(url).pathname, server.url), init),
    });

  test("reads what the server has, and nothing where there is nothing", async () => {
    expect(await at("seed").read()).toEqual(new Uint8Array([7, 8, 9]));
    expect(await at("none").read()).toBeNull();
  });

  test("refuses what is too large, failed or does not come", async () => {
    expect(await codeOf(at("large").read())).toBe("TOO_LARGE");
    expect(await codeOf(at("broken").read())).toBe("UNREACHABLE");
    expect(await codeOf(at("hang", 20).read())).toBe("UNREACHABLE");
  });

  test("cannot be written", async () => {
    expect(at("seed").writable).toBe(false);
    expect(await codeOf(at("seed").write())).toBe("READ_ONLY");
  });

  test("is chosen for https:// places; plain http is refused", () => {
    const limits = { sizeBytesMax: 9, timeoutMs: 9 };
    expect(seedStorageOf("https://a.example/seed", limits).writable).toBe(false);
    expect(seedStorageOf("/srv/seed", limits).writable).toBe(true);
    expect(() => seedStorageOf("http://a.example/seed", limits)).toThrow("https://");
  });
});
