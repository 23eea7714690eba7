import { expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import { abortableTcp } from "./abortable-tcp.ts";

const log = Object.assign(() => {}, {
  error() {},
  trace() {},
  enabled: false,
  newScope: () => log,
});
type Parts = Parameters<ReturnType<typeof abortableTcp>>[0];
type Dial = Parameters<ReturnType<ReturnType<typeof abortableTcp>>["dial"]>[1];

test("a dial that is aborted rejects, and its socket reports nothing that ends the process", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => uncaught.push(error);
  process.on("uncaughtException", note);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const transport = abortableTcp()({ logger: { forComponent: () => log } } as unknown as Parts);
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController();
    const options = { signal: controller.signal, upgrader: {} } as unknown as Dial;
    const dialled = transport.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), options);
    controller.abort();
    await expect(dialled).rejects.toThrow(/abort/i);
  }
  await new Promise((resolve) => server.close(resolve));
  process.off("uncaughtException", note);
  expect(uncaught).toEqual([]);
});
