import { expect, test } from "bun:test";
import { asLogIndex } from "../../base/index.ts";
import { ReadWaiters } from "./read-waiters.ts";

test("what a leader still answers to an earlier life of this node answers nobody in this one", async () => {
  const asked: number[] = [];
  const ask = (context: number) => asked.push(context) > 0;
  const earlier = new ReadWaiters(1_000);
  const lost = earlier.add(10);
  lost.catch(() => {});
  earlier.ask(0, ask);
  const later = new ReadWaiters(52_000);
  const read = later.add(10);
  later.ask(0, ask);
  const [old = 0, fresh = 0] = asked;
  expect(fresh).not.toBe(old);
  later.answered(old, asLogIndex(7));
  later.answered(fresh, asLogIndex(9));
  expect(await read).toBe(asLogIndex(9));
});
