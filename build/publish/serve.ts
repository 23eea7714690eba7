/** Serves a directory on loopback, with ranges: what any static web server does, for trials. */

import { realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";

/** Requests are logged to `log`, one line each. Returns the base URL and what ends it. */
export function serveDirectory(
  directory: string,
  port: number,
  log: (line: string) => void,
): { readonly url: string; stop(): void } {
  const root = realpathSync(directory);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    fetch(request) {
      const response = answer(root, request);
      const range = request.headers.get("range") ?? "";
      log(`${response.status} ${request.method} ${new URL(request.url).pathname} ${range}`.trim());
      return response;
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

function answer(root: string, request: Request): Response {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("only GET and HEAD\n", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  const path = fileOf(root, new URL(request.url).pathname);
  if (path === null) return new Response("not found\n", { status: 404 });
  const file = Bun.file(path);
  const headers = { "accept-ranges": "bytes", "cache-control": "no-cache" };
  const asked = request.headers.get("range");
  if (asked === null) return new Response(file, { headers });
  const range = parseRange(asked, file.size);
  if (range === "malformed") return new Response(file, { headers });
  if (range === "unsatisfiable") {
    const contentRange = { "content-range": `bytes */${file.size}` };
    return new Response(null, { status: 416, headers: { ...headers, ...contentRange } });
  }
  const { start, end } = range;
  return new Response(file.slice(start, end), {
    status: 206,
    headers: { ...headers, "content-range": `bytes ${start}-${end - 1}/${file.size}` },
  });
}

/** The path of a regular file inside `root`, symbolic links followed; else null. */
function fileOf(root: string, pathname: string): string | null {
  try {
    const path = realpathSync(join(root, decodeURIComponent(pathname)));
    return path.startsWith(root + sep) && statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}

interface Range {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** One range of RFC 9110, 14.1.2; several, or another unit, are answered with the whole file. */
export function parseRange(
  header: string,
  sizeBytes: number,
): Range | "malformed" | "unsatisfiable" {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return "malformed";
  if (first === "") {
    const start = Math.max(0, sizeBytes - Number(last));
    return start < sizeBytes ? { start, end: sizeBytes } : "unsatisfiable";
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (last !== "" && Number(last) < start) return "malformed";
  return start < sizeBytes ? { start, end } : "unsatisfiable";
}
