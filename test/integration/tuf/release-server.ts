/** A web server of a repository's files that a test can make misbehave. */

import type { TestRepository } from "./test-repository.ts";

/** What to answer for a path instead of the file; null to serve it. */
export type Misbehaviour = (path: string, request: Request) => Response | null;

export class ReleaseServer {
  /** Paths asked for, with their ranges. */
  readonly asked: string[] = [];
  /** Ports of the clients: one for each connection. */
  readonly connections = new Set<number>();
  misbehave: Misbehaviour = () => null;
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor(repository: TestRepository) {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        this.connections.add(server.requestIP(request)?.port ?? 0);
        const path = new URL(request.url).pathname.slice(1);
        const range = request.headers.get("range");
        this.asked.push(range === null ? path : `${path} ${range}`);
        const wrong = this.misbehave(path, request);
        if (wrong !== null) return wrong;
        const file = repository.files.get(path);
        return file === undefined ? new Response(null, { status: 404 }) : part(file, range);
      },
    });
  }

  get url(): string {
    return this.#server.url.href;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}

/** The file, or what a Range header asks of it. */
export function part(file: Uint8Array, range: string | null): Response {
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
  if (match === null) return new Response(file);
  const [from, last] = [Number(match[1]), Math.min(Number(match[2]), file.length - 1)];
  return new Response(file.slice(from, last + 1), {
    status: 206,
    headers: { "Content-Range": `bytes ${from}-${last}/${file.length}` },
  });
}

/** As a server that was cut off and says that this was all. */
export function cutAfter(file: Uint8Array, sizeBytes: number): Response {
  return new Response(file.slice(0, sizeBytes));
}

/** Bytes without an end. */
export function endless(): Response {
  const piece = new Uint8Array(65_536).fill(0x20);
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) }));
}

/** A byte, and then nothing any more. */
export function stalling(): Response {
  let isSent = false;
  const body = new ReadableStream({
    pull(controller) {
      if (isSent) return new Promise(() => {});
      isSent = true;
      controller.enqueue(Uint8Array.of(0x7b));
      return undefined;
    },
  });
  return new Response(body);
}
