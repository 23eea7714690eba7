import { expect, test } from "bun:test";
import { MemoryHost, MemoryLogger, Scheduler } from "../adapters/memory/index.ts";
import { asNodeId, type NodeId, present } from "../base/index.ts";
import { ClockCheck } from "./clock-check.ts";
import { ClockUpkeep } from "./clock-upkeep.ts";

const NODES = ["a", "b", "c", "d", "e"].map(asNodeId);
const HOUR_MS = 3_600_000;

/** Five linked nodes; how far each holds its own clock to be ahead of most. */
function network() {
  const scheduler = new Scheduler(1);
  const nodes = new Map<NodeId, { host: MemoryHost; clocks: ClockCheck; upkeep: ClockUpkeep }>();
  let askedCount = 0;
  for (const own of NODES) {
    const host = new MemoryHost(own, scheduler);
    const clocks = new ClockCheck(host);
    const others = NODES.filter((node) => node !== own);
    const links = () =>
      others.map((node) => ({ ...LINK, node, state: "up" as const, lastError: null }));
    const request = (to: NodeId) => {
      askedCount++;
      return present(nodes.get(to), to).upkeep.handle();
    };
    const logger = new MemoryLogger(() => undefined);
    const upkeep = new ClockUpkeep({
      clocks,
      host: { clock: host, logger },
      transport: { links, request },
    });
    nodes.set(own, { host, clocks, upkeep });
  }
  for (const { clocks, upkeep } of nodes.values()) {
    for (const [node, { host }] of nodes) clocks.note(node, host.wallMs());
    upkeep.start();
  }
  const pass = (ms: number) =>
    scheduler.settle(new Promise<void>((resolve) => scheduler.schedule(ms, () => resolve())));
  const aheadMs = () =>
    [...nodes.values()].map(({ clocks }) => Math.round(clocks.aheadOfAllMs() / 1_000) * 1_000);
  return { nodes, pass, aheadMs, askedCount: () => askedCount };
}

const LINK = { address: null, roundTripMs: null, sentBytes: 0, receivedBytes: 0 };

test("clocks that are all set right one after the other agree again, though no link came up since", async () => {
  const { nodes, pass, aheadMs } = network();
  for (const { host } of nodes.values()) {
    host.jumpWall(HOUR_MS);
    await pass(500);
  }
  expect(aheadMs()).toEqual(NODES.map(() => HOUR_MS));
  await pass(30_000);
  expect(aheadMs()).toEqual(NODES.map(() => 0));
});

test("one clock that is wrong stays wrong in its own eyes, and nobody is asked while all fit", async () => {
  const { nodes, pass, aheadMs, askedCount } = network();
  await pass(60_000);
  expect(askedCount()).toBe(0);
  present(nodes.get(asNodeId("c")), "c").host.jumpWall(-HOUR_MS);
  await pass(30_000);
  expect(aheadMs()).toEqual([0, 0, -HOUR_MS, 0, 0]);
});
