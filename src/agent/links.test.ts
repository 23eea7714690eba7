import { expect, test } from "bun:test";
import { asNodeId, type NodeId, replicaOfNode } from "../base/index.ts";
import { makeConfiguration } from "../domain/raft/index.ts";
import type { PeerHello } from "../ports/index.ts";
import { Links } from "./links.ts";

const SELF = asNodeId("a");
const B = asNodeId("b");
const C = asNodeId("c");

function three(selfWeight = 1) {
  const voterOf = (node: NodeId, weight: number) => ({ replica: replicaOfNode(node, 0), weight });
  return makeConfiguration({ voters: [voterOf(SELF, selfWeight), voterOf(B, 1), voterOf(C, 1)] });
}

function linksAt() {
  const at = { nowMs: 0 };
  const clock = {
    wallMs: () => at.nowMs,
    monotonicMs: () => at.nowMs,
    after: () => ({ cancel: () => {} }),
  };
  return { at, links: new Links(clock) };
}

const hello = (node: NodeId) => ({ node, protocolVersion: "1.0.0" }) as PeerHello;

test("a quorum is unseen for as long as the last one that was linked is gone", () => {
  const { at, links } = linksAt();
  links.up(hello(B));
  links.up(hello(C));
  expect(links.quorumUnseenMs(three(), SELF)).toBe(0);
  at.nowMs = 1_000;
  links.down(C);
  at.nowMs = 5_000;
  expect(links.quorumUnseenMs(three(), SELF)).toBe(0);
  links.down(B);
  at.nowMs = 8_000;
  expect(links.quorumUnseenMs(three(), SELF)).toBe(3_000);
  links.up(hello(C));
  expect(links.quorumUnseenMs(three(), SELF)).toBe(0);
});

test("a node that just started has seen nobody since then, and one that outweighs all needs nobody", () => {
  const { at, links } = linksAt();
  at.nowMs = 700;
  expect(links.quorumUnseenMs(three(), SELF)).toBe(700);
  expect(links.quorumUnseenMs(three(5), SELF)).toBe(0);
});

test("a node that is linked before it is on the member list is seen, until its link is gone", () => {
  const { at, links } = linksAt();
  at.nowMs = 1_000;
  links.up(hello(B));
  links.keep(new Set([SELF]));
  expect(links.isUp(B)).toBe(true);
  expect(links.unseenMs(B)).toBe(0);
  links.down(B);
  links.keep(new Set([SELF]));
  at.nowMs = 3_000;
  expect(links.unseenMs(B)).toBe(3_000);
});
