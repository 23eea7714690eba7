/** Ports with the invariants' eyes on them: what passes through is looked at, and passes unchanged. */

import type { GroupId } from "../../src/base/index.ts";
import type {
  GroupLog,
  LogStore,
  LogWrite,
  StateMachine,
  Transport,
} from "../../src/ports/index.ts";
import { RAFT_CHANNEL } from "../../src/runtime/consensus/index.ts";
import type { Machine } from "./machine.ts";
import { MAIN, type World } from "./world.ts";

export function checkedLogStore(store: LogStore, machine: Machine, world: World): LogStore {
  return {
    open: () => store.open(),
    create: (group, snapshot) => store.create(group, snapshot),
    append: (writes) => {
      for (const write of writes) {
        world.invariants.appends(machine.node, write);
        world.rules.appends(machine, write);
        tellMoments(write, machine, world);
      }
      return store.append(writes);
    },
    entries: (group, from, to, sizeBytesMax) => store.entries(group, from, to, sizeBytesMax),
    termOf: (group, index) => store.termOf(group, index),
    compact: (group, snapshot) => {
      if (group === MAIN) world.rules.cuts(machine, snapshot);
      return store.compact(group, snapshot);
    },
    reset: (group, snapshot) => {
      if (group === MAIN) world.rules.cuts(machine, snapshot);
      return store.reset(group, snapshot);
    },
    remove: (group) => store.remove(group),
    sizeBytes: () => store.sizeBytes(),
    close: () => store.close(),
  };
}

function tellMoments(write: LogWrite, machine: Machine, world: World): void {
  if ((write.hardState?.votedFor ?? null) !== null) world.onMoment?.("vote", machine);
  if (write.entries.length > 1 && machine.process?.replica(write.group)?.role === "follower") {
    world.onMoment?.("catch-up", machine);
  }
  if (write.entries.some((entry) => entry.kind === "configuration")) {
    world.onMoment?.("configuration", machine);
  }
}

export function checkedStateMachine(
  stateMachine: StateMachine,
  group: GroupId,
  machine: Machine,
  world: World,
): StateMachine {
  return {
    apply: (entries) => {
      const term = machine.process?.leadsIn(group) ?? null;
      const [first] = entries;
      if (term !== null && first !== undefined && first.term < term) {
        world.onMoment?.("old-commit", machine);
      }
      world.invariants.applies(machine.node, group, entries);
      stateMachine.apply(entries);
      // What has no effect of its own may be taken for applied before the batch ahead of it is committed.
      if (entries.some(({ kind }) => kind !== "command")) {
        world.scheduler.schedule(0, () => machine.process?.checkApplied(group));
      }
    },
    appliedIndex: () => stateMachine.appliedIndex(),
    leadershipChanged: (leadership) => {
      const { term, leader, ready } = leadership;
      const state = ready ? " ready" : "";
      world.trace.add(machine.name, `${group} term ${term} leader ${world.nameOf(leader)}${state}`);
      if (leader === machine.node) world.onMoment?.("lead", machine);
      if (leader === machine.node) world.invariants.leads(machine.node, group, term);
      stateMachine.leadershipChanged(leadership);
    },
    objection: (from, payload, isSettled) =>
      stateMachine.objection?.(from, payload, isSettled) ?? null,
    installSnapshot: (source, atLeast) => {
      world.trace.add(machine.name, `${group} needs a snapshot at ${atLeast}`);
      return stateMachine.installSnapshot(source, atLeast);
    },
  };
}

export function checkedGroupLog(
  log: GroupLog,
  group: GroupId,
  machine: Machine,
  world: World,
): GroupLog {
  if (group !== MAIN) return log;
  return {
    leadership: () => log.leadership(),
    propose: (payload) => log.propose(payload),
    readIndex: async (timeoutMs) => {
      const confirmed = world.rules.asksForRead(machine);
      const index = await log.readIndex(timeoutMs);
      confirmed(index);
      return index;
    },
    metaAt: (index) => log.metaAt(index),
    commitIndex: () => log.commitIndex(),
    compact: (durableIndex) => log.compact(durableIndex),
    handOver: (reason) => log.handOver(reason),
    weights: () => log.weights(),
  };
}

export function checkedTransport(
  transport: Pick<Transport, "send">,
  machine: Machine,
  world: World,
): Pick<Transport, "send"> {
  return {
    send: (to, channel, payload, priority) => {
      if (channel === RAFT_CHANNEL) world.rules.sends(machine, to, payload);
      return transport.send(to, channel, payload, priority);
    },
  };
}
