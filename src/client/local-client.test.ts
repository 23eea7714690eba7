import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asNodeId, errorCodeOf } from "../base/index.ts";
import { LocalClient } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-client-"));
const socket = join(directory, "mycelium.sock");
let server: ReturnType<typeof Bun.serve> | null = null;

function serve(answer: (request: Request) => Response | Promise<Response>): LocalClient {
  server = Bun.serve({ unix: socket, fetch: answer });
  return new LocalClient(socket);
}

afterEach(async () => {
  await server?.stop(true);
  server = null;
  rmSync(socket, { force: true });
});

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error) => error,
  );

test("status() without an agent is NOT_RUNNING and says how to start one", async () => {
  const error = await rejection(new LocalClient(join(directory, "none.sock")).status());
  expect(errorCodeOf(error)).toBe("NOT_RUNNING");
  expect(String(error)).toContain("mycelium run");
});

test("a refusal of the agent arrives with its own code and message", async () => {
  const client = serve(() =>
    Response.json(
      { error: { code: "NO_QUORUM", message: "Cannot do it: alone" } },
      { status: 503 },
    ),
  );
  const error = await rejection(client.createToken({}));
  expect(errorCodeOf(error)).toBe("NO_QUORUM");
  expect(String(error)).toContain("Cannot do it: alone");
});

test("an answer of another shape is MALFORMED and names the field", async () => {
  const client = serve(() => Response.json({ token: 7 }));
  const error = await rejection(client.createToken({ uses: 1 }));
  expect(errorCodeOf(error)).toBe("MALFORMED");
  expect(String(error)).toContain(".token");
});

test("an answer that is not JSON is MALFORMED", async () => {
  const client = serve(() => new Response("<html>"));
  expect(errorCodeOf(await rejection(client.stop()))).toBe("MALFORMED");
});

test("an endless answer is refused at the limit", async () => {
  const chunk = new Uint8Array(1024 * 1024).fill(32);
  const client = serve(
    () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.enqueue(chunk);
          },
        }),
      ),
  );
  expect(errorCodeOf(await rejection(client.status()))).toBe("TOO_LARGE");
});

test("requests carry method, path and body", async () => {
  const seen: string[] = [];
  const client = serve(async (request) => {
    const url = new URL(request.url);
    seen.push(`${request.method} ${url.pathname} ${await request.text()}`);
    if (url.pathname === "/v1/leave") return Response.json({ left: true, wiped: true });
    return Response.json({ removed: "12D3KooWabc" });
  });
  await client.leave(true);
  await client.removeNode(asNodeId("12D3KooWabc"));
  expect(seen).toEqual(['POST /v1/leave {"wipe":true}', "DELETE /v1/nodes/12D3KooWabc "]);
});
