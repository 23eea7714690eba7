/**
 * What a growing network must come to when nothing goes wrong any more: every member has all members and no other on
 * its list, is linked with all, knows the newest record of each, and the groups hold whom they should.
 */

import { SYSTEM } from "../../src/agent/groups.ts";
import { type GroupId, nodeOfReplica } from "../../src/base/index.ts";
import type { Configuration } from "../../src/domain/raft/index.ts";
import type { GrowingNetwork } from "./growing-network.ts";
import type { Machine } from "./machine.ts";
import { MAIN, type World } from "./world.ts";

/** How many of so many validators vote (spec: 1, 2, 3 or 5). */
const VOTERS = [0, 1, 2, 3, 3, 5, 5, 5];

/** The number of each member's own record; what all must know at least, a while later. */
export async function ownSequences(growing: GrowingNetwork): Promise<ReadonlyMap<Machine, number>> {
  const sequences = new Map<Machine, number>();
  for (const machine of growing.members()) {
    const held = (await machine.process?.members?.records()) ?? [];
    const own = held.find(({ node }) => node === machine.node);
    if (own !== undefined) sequences.set(machine, own.sequence);
  }
  return sequences;
}

/** What is missing yet; null when nothing is. */
export async function whatIsMissing(
  world: World,
  growing: GrowingNetwork,
  least: ReadonlyMap<Machine, number>,
): Promise<string | null> {
  const members = growing.members();
  for (const machine of world.machines) {
    const standing = growing.standing(machine);
    if (standing !== "member" && standing !== "gone" && standing !== "outside") {
      return `${machine.name} is still ${standing}`;
    }
  }
  for (const machine of members) {
    const missing =
      missingAt(machine, members) ?? (await missingRecord(machine, members, world, least));
    if (missing !== null) return `${machine.name} ${missing}`;
  }
  return missingInGroup(world, SYSTEM) ?? missingInGroup(world, MAIN);
}

function missingAt(machine: Machine, members: readonly Machine[]): string | null {
  const { process } = machine;
  const node = process?.members;
  if (process === null || node === undefined || node === null) return "does not run";
  const listed = node.membership.members();
  const names = (machines: readonly { readonly node: string }[]) =>
    machines.map((each) => each.node).sort();
  const wanted = names(members).join();
  if (names(listed.map(({ id }) => ({ node: id }))).join() !== wanted) {
    return `has ${listed.length} on its list, there are ${members.length}`;
  }
  const leaving = listed.find(({ state }) => state !== "active");
  if (leaving !== undefined) return `has ${leaving.id} as ${leaving.state} on its list`;
  const apart = members.find((other) => other !== machine && !process.isLinked(other.node));
  if (apart !== undefined) return `is not linked with ${apart.name}`;
  const isHolder = machine.groups().includes(SYSTEM);
  if (isHolder && node.authority() !== "primary") return `follows ${node.authority()}`;
  return null;
}

async function missingRecord(
  machine: Machine,
  members: readonly Machine[],
  world: World,
  least: ReadonlyMap<Machine, number>,
): Promise<string | null> {
  const held = (await machine.process?.members?.records()) ?? [];
  for (const { node } of held) {
    if (!members.some((member) => member.node === node)) {
      return `keeps a record of ${world.nameOf(node)}, which is no member`;
    }
  }
  for (const member of members) {
    const record = held.find(({ node }) => node === member.node);
    if (record === undefined) return `has no record of ${member.name}`;
    const leastSequence = least.get(member) ?? 0;
    if (record.sequence < leastSequence) {
      return `has record ${record.sequence} of ${member.name}, which has published ${leastSequence}`;
    }
    if (record.addresses[0] !== member.address) return `does not know where ${member.name} is`;
  }
  return null;
}

function missingInGroup(world: World, group: GroupId): string | null {
  const holders = world.holders(group);
  const candidates = holders.filter((machine) => machine.mayVote());
  for (const { name, process } of holders) {
    const configuration = process?.configuration(group) ?? null;
    if (configuration === null) return `${name} has no replica of ${group}`;
    const found = described(configuration, world);
    if (configuration.outgoing.length > 0) return `${name} is between members of ${group}`;
    const all = [...configuration.voters.map(({ replica }) => replica), ...configuration.learners];
    const wanted = holders.map((each) => each.name).sort();
    const actual = all.map((replica) => world.nameOf(nodeOfReplica(replica))).sort();
    if (actual.join() !== wanted.join()) return `${group} at ${name} is ${found}, not of ${wanted}`;
    if (configuration.voters.length !== VOTERS[candidates.length]) {
      return `${group} at ${name} is ${found}, of ${candidates.length} that could vote`;
    }
  }
  return null;
}

function described({ learners, voters }: Configuration, world: World): string {
  const named = voters.map(({ replica }) => world.nameOf(nodeOfReplica(replica)));
  return `${named.join(" ")} and ${learners.length} learners`;
}
