import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { asNodeId, MyceliumError, type NodeId } from "../../base/index.ts";
import { RecordPuller } from "./record-puller.ts";
import { encodeBundle } from "./spore-bundle.ts";
import { VirtualClock } from "./testing/discovery-world.ts";

const LOOK_MS = 5_000;

/** A puller of nodes that are linked; those of `silent` never answer, those of `slow` when they are told to. */
class PulledWorld {
  readonly clock = new VirtualClock();
  readonly asked: string[] = [];
  readonly heard: string[] = [];
  readonly silent = new Set<string>();
  readonly slow = new Map<string, () => void>();
  linked: string[] = [];
  readonly puller = new RecordPuller(
    {
      clock: this.clock,
      links: {
        linked: () => this.linked.map(asNodeId),
        request: (to) => this.#request(to),
      },
    },
    (_bundle, from) => void this.heard.push(from),
  );

  link(node: string): void {
    this.linked.push(node);
    this.puller.linkUp(asNodeId(node)).catch(() => undefined);
    drainMicrotasks();
  }

  look(times: number): void {
    for (let i = 0; i < times; i++) {
      this.clock.advance(LOOK_MS);
      this.puller.pullIfDue().catch(() => undefined);
      drainMicrotasks();
    }
  }

  async #request(to: NodeId): Promise<Uint8Array> {
    this.asked.push(to);
    if (this.silent.has(to)) throw new MyceliumError("TIMEOUT", "No answer");
    if (this.slow.has(to)) await new Promise<void>((resolve) => this.slow.set(to, resolve));
    return encodeBundle({ records: [], proof: null }, 10_000);
  }
}

describe("RecordPuller", () => {
  test("a link that comes up while another is asked is asked next", () => {
    const world = new PulledWorld();
    world.slow.set("a", () => undefined);
    world.link("a");
    world.link("b");
    expect(world.asked).toEqual(["a"]);
    world.slow.get("a")?.();
    drainMicrotasks();
    world.look(1);
    expect(world.heard).toEqual(["a", "b"]);
    world.look(2);
    expect(world.heard).toEqual(["a", "b"]);
  });

  test("one that did not answer is asked again, and costs the others no turn", () => {
    const world = new PulledWorld();
    for (const node of ["a", "b", "c"]) world.link(node);
    world.silent.add("d");
    world.link("d");
    world.look(36);
    expect(world.heard).toEqual(["a", "b", "c", "a", "b", "c"]);
    world.silent.clear();
    world.look(1);
    expect(world.heard.at(-1)).toBe("d");
  });

  test("who is linked anew is asked anew", () => {
    const world = new PulledWorld();
    world.link("a");
    world.linked = [];
    world.look(1);
    world.link("a");
    expect(world.heard).toEqual(["a", "a"]);
  });
});
