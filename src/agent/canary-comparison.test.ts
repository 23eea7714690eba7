import { expect, test } from "bun:test";
import {
  asNodeId,
  type GroupId,
  MyceliumError,
  type NodeId,
  replicaOfNode,
} from "../base/index.ts";
import { makeConfiguration } from "../domain/raft/index.ts";
import type { ComparisonState } from "../runtime/store/index.ts";
import { encodeComparison } from "../runtime/store/rpc.ts";
import { CanaryComparison } from "./canary-comparison.ts";
import { MAIN, SYSTEM } from "./groups.ts";

const [SELF, OTHER, CANARY] = ["self", "other", "canary"].map(asNodeId) as [NodeId, NodeId, NodeId];
const AGREES = { agrees: true, difference: null };
const UNKNOWN = { agrees: false, difference: null };

/** A node that leads `system` and follows another in `main`. */
class Network {
  own: ComparisonState = UNKNOWN;
  others: ComparisonState | null = UNKNOWN;
  mainLeader: NodeId | null = OTHER;
  changes = 0;
  readonly asked: string[] = [];
  readonly comparison: CanaryComparison;

  constructor() {
    const core = {
      grant: { member: SELF },
      consensus: {
        configuration: () =>
          makeConfiguration({
            voters: [SELF, OTHER, CANARY].map((node) => ({
              replica: replicaOfNode(node, 0),
              weight: 1,
            })),
          }),
        groupStatus: (group: GroupId) => ({
          leader: group === SYSTEM ? SELF : this.mainLeader,
          isReady: group === SYSTEM,
        }),
      },
      shards: [{ id: SYSTEM, shard: { compare: () => this.own } }],
      transport: {
        request: async (to: NodeId, method: string) => {
          this.asked.push(`${to} ${method}`);
          if (this.others === null) throw new MyceliumError("UNREACHABLE", "away");
          return encodeComparison(this.others);
        },
      },
      host: { logger: { debug() {} }, onFatal: (error: unknown) => expect(error).toBeNull() },
    };
    this.comparison = new CanaryComparison(core as never, () => this.changes++);
  }

  async of(plan = "0.2.0-1"): Promise<string> {
    this.comparison.of(CANARY, plan);
    await new Promise<void>((resolve) => setImmediate(resolve));
    const known = this.comparison.of(CANARY, plan);
    return known.result === "differs" ? known.why : known.result;
  }
}

test("a node agrees once the leaders of all its shards say so", async () => {
  const network = new Network();
  expect(await network.of()).toBe("open");
  network.own = AGREES;
  expect(await network.of()).toBe("open");
  network.others = AGREES;
  expect(await network.of()).toBe("agrees");
  expect(new Set(network.asked)).toEqual(new Set([`${OTHER} store/${MAIN}/digest-compare`]));
  expect(network.changes).toBe(2);
});

test("a difference in one shard is one, whatever the other says, and from whoever leads it", async () => {
  const network = new Network();
  network.own = AGREES;
  network.others = { agrees: false, difference: "its table t differs" };
  expect(await network.of()).toBe("its table t differs");
  network.others = AGREES;
  network.own = { agrees: false, difference: "its table u differs" };
  expect(await network.of()).toBe("its table u differs");
});

test("what cannot be asked for is not known, nor is what an earlier leader said", async () => {
  const network = new Network();
  [network.own, network.others] = [AGREES, AGREES];
  expect(await network.of()).toBe("agrees");
  network.mainLeader = null;
  expect(await network.of()).toBe("open");
  [network.mainLeader, network.others] = [CANARY, null];
  expect(await network.of()).toBe("open");
});

test("what was found under an earlier plan is not known under the next", async () => {
  const network = new Network();
  network.own = AGREES;
  network.others = { agrees: false, difference: "its table t differs" };
  expect(await network.of("0.2.0-1")).toBe("its table t differs");
  network.others = AGREES;
  expect(network.comparison.of(CANARY, "0.2.0-2").result).toBe("open");
  expect(await network.of("0.2.0-2")).toBe("agrees");
});
