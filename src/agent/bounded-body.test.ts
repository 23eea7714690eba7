import { afterAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { boundedBody } from "./bounded-body.ts";
import { refusal } from "./responses.ts";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    try {
      return new Response(String((await boundedBody(request, 1_000)).length));
    } catch (error) {
      return refusal(error);
    }
  },
});
afterAll(() => server.stop(true));

function post(body: Uint8Array<ArrayBuffer> | ReadableStream): Promise<Response> {
  return fetch(server.url, { method: "POST", body });
}

test("a body within the bound is read, whole or in pieces", async () => {
  expect(await (await post(new Uint8Array(1_000))).text()).toBe("1000");
  const pieces = new ReadableStream({
    start(controller) {
      for (const size of [300, 700]) controller.enqueue(new Uint8Array(size));
      controller.close();
    },
  });
  expect(await (await post(pieces)).text()).toBe("1000");
});

test("a body over the bound is refused, also one that does not say its size and never ends", async () => {
  expect((await post(new Uint8Array(1_001))).status).toBe(413);
  const socket = connect(Number(server.port), "127.0.0.1");
  const answer = new Promise<string>((resolve, reject) => {
    socket.once("data", (data) => resolve(String(data)));
    socket.once("error", reject);
  });
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  socket.write(`5dc\r\n${"x".repeat(1_500)}\r\n`);
  expect(await answer).toStartWith("HTTP/1.1 413");
  socket.destroy();
});
