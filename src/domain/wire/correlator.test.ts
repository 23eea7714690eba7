import { expect, test } from "bun:test";
import { Correlator } from "./correlator.ts";

test("take() gives what waits under an id once", () => {
  const correlator = new Correlator<string>(4);
  const id = correlator.add("a", 10)!;
  expect(correlator.take(id)).toBe("a");
  expect(correlator.take(id)).toBeUndefined();
  expect(correlator.take(999)).toBeUndefined();
});

test("add() refuses beyond the limit and takes again when one is answered", () => {
  const correlator = new Correlator<string>(2);
  const first = correlator.add("a", 10)!;
  correlator.add("b", 10);
  expect(correlator.add("c", 10)).toBeNull();
  correlator.take(first);
  expect(correlator.add("c", 10)).not.toBeNull();
});

test("expire() takes what is due and leaves the rest", () => {
  const correlator = new Correlator<string>(8);
  correlator.add("late", 30);
  correlator.add("soon", 10);
  correlator.add("next", 20);
  expect(correlator.expire(9)).toEqual([]);
  expect(correlator.expire(20)).toEqual(["soon", "next"]);
  expect(correlator.expire(29)).toEqual([]);
  expect(correlator.expire(30)).toEqual(["late"]);
  expect(correlator.count).toBe(0);
});

test("takeAll() gives the oldest first and empties", () => {
  const correlator = new Correlator<string>(8);
  correlator.add("a", 10);
  correlator.add("b", 5);
  expect(correlator.takeAll()).toEqual(["a", "b"]);
  expect(correlator.takeAll()).toEqual([]);
});
