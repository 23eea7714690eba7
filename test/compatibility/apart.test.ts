/** A release two minor versions on meets a network: it may not join, and a member that runs it gets no link. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { messageOf } from "../../src/base/index.ts";
import { VERSION } from "../../src/domain/api/index.ts";
import { until } from "../cluster/processes.ts";
import { Lab, type Machine } from "../integration/network/lab.ts";
import { nextVersion, releaseOf } from "./other-release.ts";

setDefaultTimeout(120_000);

/** Whoever was refused a link is dialled again soon. */
const SOON = { MYCELIUM_REPLICATION_RETRY_MAX: "1s" };
const FAR = nextVersion(2);
const WHY =
  `one of the two nodes runs Mycelium ${VERSION}, the other ${FAR}; they run together when they are one minor ` +
  `version apart at most; update the node with ${VERSION}, one minor version after the other`;

const lab = new Lab("apart");
let first: Machine;
let second: Machine;
let invite: string;
afterAll(() => lab.close());

beforeAll(async () => {
  first = await lab.network("apart", SOON);
  invite = await first.command("token", "create");
});

async function whole(node: Machine): Promise<void> {
  await until(`a whole network, seen from ${node.state}`, async () => {
    const { healthy, peers } = await node.status();
    return (healthy && peers.length === 1 && peers[0]?.link === "up") || null;
  });
}

test("a node two minor versions on may not join, is told why, and leaves token and machine as they were", async () => {
  const far = await lab.machine("far", SOON, releaseOf(lab.directory, FAR));
  const refused = await far.command("join", invite, ...far.portFlags).catch(messageOf);
  expect(refused).toContain(WHY);
  expect(existsSync(far.state)).toBe(false);
  expect((await first.status()).peers).toEqual([]);
});

test("one a minor version on joins with the same token", async () => {
  second = await lab.machine("second", SOON, releaseOf(lab.directory, nextVersion()));
  await second.command("join", invite, ...second.portFlags);
  second.start();
  await whole(first);
});

test("a member that was taken two minor versions on gets no link: both say why, and what to do", async () => {
  await second.kill();
  const executable = releaseOf(lab.directory, FAR);
  const apart = lab.machineAt(second.place, "apart", SOON, second.state, executable);
  apart.start();
  for (const [node, peer] of [
    [apart, first],
    [first, apart],
  ] as const) {
    await until(`the reason in the status of ${node.state}`, async () => {
      const { problems } = await node.status();
      const found = problems.find(({ what }) => what.includes(`${peer.id} runs a version`));
      return (found?.why.includes(WHY) === true && found.todo.includes("the older")) || null;
    });
    const told = (await node.status()).peers.find(({ id }) => id === peer.id);
    expect(told?.link).not.toBe("up");
    expect(told?.lastError).toContain(WHY);
  }
  await apart.kill();
  second.start();
  await whole(first);
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
