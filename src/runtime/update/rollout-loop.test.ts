import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { errorCodeOf, messageOf } from "../../base/index.ts";
import { madeRelease, OLD_CORE, RELEASE, RolloutNetwork } from "./testing/rollout-network.ts";

// A machine that is busy with other things takes its time.
setDefaultTimeout(60_000);

const MINUTE = 60_000;

async function refusal(network: RolloutNetwork, promise: Promise<unknown>): Promise<string> {
  const settled = promise.then(
    () => "done",
    (error) => `${errorCodeOf(error)}: ${messageOf(error)}`,
  );
  return network.settle(settled);
}

describe("a network", () => {
  test("finds a release, decides on it, and updates itself node by node, the leader last", () => {
    const network = new RolloutNetwork(5).start();
    network.pass(2 * MINUTE);
    expect(network.versions()).toEqual(Array(5).fill("0.2.0"));
    expect(Math.max(...network.downAtOnce)).toBe(1);
    expect(network.plan()).toMatchObject({ state: "done", finalised: true, version: "0.2.0" });
    for (const { floor, switches } of network.nodes) expect([floor, switches]).toEqual([1, 1]);
    const last = network.plan()?.nodes.find(({ wave }) => wave === 4);
    expect(last?.node).toBe(network.nodes[0]!.id);
    // It is planned once, however often somebody looks.
    network.pass(3 * MINUTE);
    expect(network.sql.rows("SELECT operation FROM _mycelium_update_plans")).toHaveLength(1);
  });

  test("of one node, and of two, does so too", () => {
    for (const size of [1, 2]) {
      const network = new RolloutNetwork(size).start();
      network.pass(2 * MINUTE);
      expect(network.versions()).toEqual(Array(size).fill("0.2.0"));
      expect(network.plan()?.state).toBe("done");
    }
  });

  test("reverts a bad release on its canary alone, and tries it again only when it is told to", async () => {
    const network = new RolloutNetwork(5);
    for (const node of network.nodes) node.isGood = false;
    network.start().pass(4 * MINUTE);
    expect(network.versions()).toEqual(Array(5).fill("0.1.0"));
    expect(network.nodes.reduce((sum, { switches }) => sum + switches, 0)).toBe(1);
    expect(network.plan()?.state).toBe("reverted");
    expect(network.plan()?.reason).toContain("its health check failed");
    for (const node of network.nodes) node.isGood = true;
    await network.settle(network.nodes[2]!.operator.plan(null));
    network.pass(3 * MINUTE);
    expect(network.versions()).toEqual(Array(5).fill("0.2.0"));
  });

  test("takes another SQLite no further than its canary before that is known to hold the same data", () => {
    const network = new RolloutNetwork(4);
    const release = madeRelease("0.2.0", "b".repeat(64), "4");
    network.offered = release;
    for (const node of network.nodes) node.releases = [release];
    network.comparison = { result: "open" };
    network.start().pass(3 * MINUTE);
    expect(network.versions().filter((version) => version === "0.2.0")).toHaveLength(1);
    expect(network.plan()?.reason).toContain("another SQLite");
    network.comparison = { result: "agrees" };
    network.pass(3 * MINUTE);
    expect(network.versions()).toEqual(Array(4).fill("0.2.0"));
  });

  describe("takes another SQLite back on a canary whose data differs, with the reason,", () => {
    const why = "its table notes differs from the majority's";
    let network: RolloutNetwork;

    beforeEach(() => {
      network = new RolloutNetwork(4);
      const release = madeRelease("0.2.0", "b".repeat(64), "4");
      network.offered = release;
      for (const node of network.nodes) node.releases = [release];
      network.comparison = { result: "open" };
    });

    function expectTakenBack(): void {
      expect(network.versions()).toEqual(Array(4).fill("0.1.0"));
      expect(network.nodes.map(({ switches }) => switches).sort()).toEqual([0, 0, 0, 1]);
      const canary = network.nodes.find(({ refused }) => refused !== null);
      expect(canary?.refused?.reason).toBe(`it runs another SQLite, and ${why}`);
      expect(network.plan()).toMatchObject({ state: "reverted", waves: 1 });
      expect(network.plan()?.reason).toBe(`node ${canary?.id} runs another SQLite, and ${why}`);
      const told = network.plan()?.nodes.find(({ node }) => node === canary?.id);
      expect(told).toMatchObject({ phase: "reverted", reason: canary?.refused?.reason ?? "" });
    }

    test("on trial", () => {
      network.comparison = { result: "differs", why };
      network.start().pass(5 * MINUTE);
      expectTakenBack();
    });

    test("and when it was confirmed before that was known", () => {
      network.start().pass(3 * MINUTE);
      const canary = network.nodes.find(({ running }) => running.version === "0.2.0");
      expect(canary?.onTrial).toBe(false);
      network.comparison = { result: "differs", why };
      network.pass(MINUTE);
      expectTakenBack();
    });

    test("once it has mended its data, or could not for long", () => {
      network.start().pass(3 * MINUTE);
      const canary = network.nodes.find(({ running }) => running.version === "0.2.0");
      if (canary === undefined) throw new Error("there is a canary");
      canary.isMending = true;
      network.comparison = { result: "differs", why };
      network.pass(MINUTE);
      expect(canary.running.version).toBe("0.2.0");
      network.pass(5 * MINUTE);
      expectTakenBack();
    });

    test("and tries again where that fails, or the node cannot be spared", () => {
      network.start().pass(3 * MINUTE);
      const canary = network.nodes.find(({ running }) => running.version === "0.2.0");
      const others = network.nodes.filter((node) => node !== canary && node !== network.leader);
      if (canary === undefined || others[0] === undefined) throw new Error("there is a canary");
      canary.switchError = "the launcher is gone";
      network.comparison = { result: "differs", why };
      network.pass(MINUTE);
      expect(canary.running.version).toBe("0.2.0");
      expect(network.plan()).toMatchObject({ state: "reverted" });
      network.ends(others[0]);
      canary.switchError = null;
      network.pass(MINUTE);
      expect(canary.running.version).toBe("0.2.0");
      network.begins(others[0]);
      network.pass(MINUTE);
      expectTakenBack();
    });
  });

  test("waits for its operators where they want to be asked, and goes when enough have said so", async () => {
    const network = new RolloutNetwork(3);
    for (const node of network.nodes) node.approval = "operator";
    network.start().pass(3 * MINUTE);
    expect(network.plan()?.state).toBe("proposed");
    const [a, b] = network.nodes;
    await network.settle(a!.operator.approve("0.2.0"));
    network.pass(MINUTE);
    expect(network.plan()?.state).toBe("proposed");
    expect(await refusal(network, b!.operator.approve("0.3.0"))).toStartWith("UPDATE_REFUSED");
    await network.settle(b!.operator.approve("0.2.0"));
    network.pass(2 * MINUTE);
    expect(network.versions()).toEqual(Array(3).fill("0.2.0"));
  });

  test("takes no release that only its leader has seen", () => {
    const network = new RolloutNetwork(4);
    const forged = madeRelease("0.2.0", "f".repeat(64));
    for (const node of network.nodes.slice(1)) node.releases = [];
    network.leader.releases = [forged];
    network.offered = forged;
    network.start().pass(3 * MINUTE);
    expect(network.plan()?.state).toBe("proposed");
    expect(network.versions()).toEqual(Array(4).fill("0.1.0"));
    for (const node of network.nodes.slice(1)) node.releases = [RELEASE];
    network.pass(3 * MINUTE);
    // They voted for what they saw, not for what the plan says.
    expect(network.plan()?.state).toBe("rejected");
    expect(network.versions()).toEqual(Array(4).fill("0.1.0"));
  });

  test("leaves out a node that cannot switch or has a closed window, and takes the latter when it opens", () => {
    const network = new RolloutNetwork(5);
    const [, broken, late] = network.nodes;
    broken!.switchError = "the launcher is gone";
    late!.windowOpen = false;
    network.start().pass(3 * MINUTE);
    expect(network.versions().filter((version) => version === "0.2.0")).toHaveLength(2);
    expect(network.plan()?.nodes.find(({ node }) => node === broken!.id)).toMatchObject({
      phase: "unable",
      reason: "the launcher is gone",
    });
    late!.windowOpen = true;
    network.pass(2 * MINUTE);
    expect(late!.running.version).toBe("0.2.0");
    expect(network.plan()).toMatchObject({ state: "done", finalised: false });
  });

  test("pauses, goes on and aborts as it is told, on any node", async () => {
    const network = new RolloutNetwork(5);
    for (const node of network.nodes) node.windowOpen = false;
    network.start().pass(MINUTE);
    const { operator } = network.nodes[3]!;
    await network.settle(operator.command("pause"));
    for (const node of network.nodes) node.windowOpen = true;
    network.pass(MINUTE);
    expect(network.plan()?.state).toBe("paused");
    expect(network.nodes.every(({ switches }) => switches === 0)).toBe(true);
    expect(await refusal(network, operator.command("pause"))).toStartWith("UPDATE_REFUSED");
    await network.settle(operator.command("resume"));
    network.pass(3_000);
    await network.settle(operator.command("abort"));
    network.pass(3 * MINUTE);
    expect(network.plan()?.state).toBe("aborted");
    expect(network.nodes.filter(({ switches }) => switches > 0).length).toBeLessThanOrEqual(1);
    // Told by an operator it is planned again, and goes through.
    await network.settle(operator.plan("0.2.0"));
    network.pass(3 * MINUTE);
    expect(network.versions()).toEqual(Array(5).fill("0.2.0"));
  });

  test("rolls named nodes back to what they had, and does not update them again by itself", async () => {
    const network = new RolloutNetwork(4).start();
    network.pass(3 * MINUTE);
    const [a, b, c] = network.nodes;
    expect(await refusal(network, b!.operator.rollback("0.0.9", null))).toContain("do not hold it");
    await network.settle(b!.operator.rollback("0.1.0", [b!.id, c!.id]));
    network.pass(4 * MINUTE);
    expect(network.plan()).toMatchObject({ state: "done", kind: "rollback", version: "0.1.0" });
    expect(network.versions()).toEqual(["0.2.0", "0.1.0", "0.1.0", "0.2.0"]);
    expect(b!.running.coreSha256).toBe(OLD_CORE);
    expect(a!.switches).toBe(1);
  });

  test("that is two minor versions behind goes there in two steps", () => {
    const network = new RolloutNetwork(3);
    const third = madeRelease("0.3.0", "e".repeat(64));
    network.offered = third;
    for (const node of network.nodes) node.releases = [RELEASE, third];
    network.start().pass(3 * MINUTE);
    expect(network.versions()).toEqual(Array(3).fill("0.3.0"));
    for (const { switches } of network.nodes) expect(switches).toBe(2);
  });

  test("keeps the signed files of a release for those that have no Internet", () => {
    const network = new RolloutNetwork(3).start();
    network.pass(MINUTE);
    expect(network.sql.rows("SELECT path, version FROM _mycelium_update_files")).toEqual([
      { path: "metadata/timestamp.json", version: "0.2.0" },
    ]);
  });

  test("a staging that fails is tried again", () => {
    const network = new RolloutNetwork(3);
    for (const node of network.nodes) node.stageError = "no source has it";
    network.start().pass(MINUTE);
    expect(network.plan()?.nodes.every(({ phase }) => phase === "waiting")).toBe(true);
    for (const node of network.nodes) node.stageError = null;
    network.pass(3 * MINUTE);
    expect(network.versions()).toEqual(Array(3).fill("0.2.0"));
  });
});
