import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRange, serveDirectory } from "../../../build/publish/serve.ts";

const folder = mkdtempSync(join(tmpdir(), "mycelium-serve-"));
mkdirSync(join(folder, "served", "metadata"), { recursive: true });
writeFileSync(join(folder, "served", "metadata", "a.json"), "0123456789");
writeFileSync(join(folder, "secret"), "secret");
symlinkSync(join(folder, "secret"), join(folder, "served", "link"));
const lines: string[] = [];
const server = serveDirectory(join(folder, "served"), 0, (line) => lines.push(line));

afterAll(() => {
  server.stop();
  rmSync(folder, { recursive: true });
});

test("a file is served whole or in part, as a static web server does", async () => {
  const url = `${server.url}/metadata/a.json`;
  const whole = await fetch(url);
  expect([whole.status, await whole.text()]).toEqual([200, "0123456789"]);
  const part = await fetch(url, { headers: { range: "bytes=3-5" } });
  expect([part.status, await part.text()]).toEqual([206, "345"]);
  expect(part.headers.get("content-range")).toBe("bytes 3-5/10");
  const beyond = await fetch(url, { headers: { range: "bytes=10-" } });
  expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, "bytes */10"]);
  const head = await fetch(url, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, "10"]);
  expect(lines[1]).toBe("206 GET /metadata/a.json bytes=3-5");
});

test("nothing outside the directory is served, and nothing is written", async () => {
  for (const path of ["/", "/metadata", "/none", "/..%2fsecret", "/link", "/%", "/a%00b"]) {
    expect([path, (await fetch(server.url + path)).status]).toEqual([path, 404]);
  }
  expect((await fetch(`${server.url}/metadata/a.json`, { method: "PUT", body: "x" })).status).toBe(
    405,
  );
});

test("parseRange() knows one range of bytes; what it does not know is the whole file", () => {
  expect(parseRange("bytes=0-0", 10)).toEqual({ start: 0, end: 1 });
  expect(parseRange("bytes=4-", 10)).toEqual({ start: 4, end: 10 });
  expect(parseRange("bytes=-3", 10)).toEqual({ start: 7, end: 10 });
  expect(parseRange("bytes=-30", 10)).toEqual({ start: 0, end: 10 });
  expect(parseRange("bytes=2-99", 10)).toEqual({ start: 2, end: 10 });
  expect(parseRange("bytes=-0", 10)).toBe("unsatisfiable");
  expect(parseRange("bytes=0-", 0)).toBe("unsatisfiable");
  for (const odd of ["bytes=5-4", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", ""]) {
    expect(parseRange(odd, 10)).toBe("malformed");
  }
});
