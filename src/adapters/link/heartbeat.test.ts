import { expect, test } from "bun:test";
import { Heartbeat } from "./heartbeat.ts";

test("the first ping goes at once, the next after an interval of silence", () => {
  const heartbeat = new Heartbeat(500, 1_000, 0);
  expect(heartbeat.step(0, 0)).toBe("ping");
  heartbeat.ponged(heartbeat.pinged(0), 2);
  expect(heartbeat.step(501, 2)).toBe("wait");
  expect(heartbeat.step(502, 2)).toBe("ping");
});

test("a peer that is heard is pinged for its round trip only", () => {
  const heartbeat = new Heartbeat(500, 1_000, 0);
  heartbeat.ponged(heartbeat.pinged(0), 2);
  for (let nowMs = 100; nowMs < 5_000; nowMs += 100) {
    expect(heartbeat.step(nowMs, nowMs)).toBe("wait");
  }
  expect(heartbeat.step(5_000, 5_000)).toBe("ping");
});

test("a link is lost when nothing came for the timeout after a ping, and not while anything comes", () => {
  const heartbeat = new Heartbeat(500, 1_000, 0);
  heartbeat.pinged(0);
  expect(heartbeat.step(999, 0)).toBe("wait");
  expect(heartbeat.step(1_500, 900)).toBe("wait");
  expect(heartbeat.step(1_900, 900)).toBe("lost");
});

test("the time this process stood still does not count against the peer", () => {
  const heartbeat = new Heartbeat(500, 1_000, 0);
  heartbeat.pinged(0);
  heartbeat.excuse(2_000);
  expect(heartbeat.step(2_100, 0)).toBe("wait");
  expect(heartbeat.step(3_000, 0)).toBe("lost");
});

test("the round trip is smoothed, and an old pong does not count", () => {
  const heartbeat = new Heartbeat(500, 1_000, 0);
  const first = heartbeat.pinged(0);
  heartbeat.ponged(first, 8);
  expect(heartbeat.roundTripMs).toBe(8);
  heartbeat.pinged(1_000);
  heartbeat.ponged(first, 5_000);
  expect(heartbeat.roundTripMs).toBe(8);
  heartbeat.ponged(first + 1, 1_016);
  expect(heartbeat.roundTripMs).toBe(9);
});
