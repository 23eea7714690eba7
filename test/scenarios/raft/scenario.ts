/**
 * Scenarios as text, in the manner of etcd's datadriven tests: blocks of commands, "----", and what they print. Run
 * this file to write what they print now into the files; read the difference before you commit it.
 *
 * Nothing moves by itself: `settle` delivers and syncs until all is quiet, `deliver`, `sync` and `tick` do it singly.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { asLogIndex, asReplicaId, type ReplicaId } from "../../../src/base/index.ts";
import {
  describeConfiguration,
  levelWeights,
  type Message,
  makeConfiguration,
  type Voter,
} from "../../../src/domain/raft/index.ts";
import { Cluster, type Replica } from "./cluster.ts";

type Command = (args: readonly string[]) => readonly string[];

const SETTLE_ROUNDS_MAX = 10_000;
const STAND_TICKS_MAX = 100;

class Scenario {
  #cluster: Cluster | null = null;
  readonly #cut = new Set<ReplicaId>();
  #appendBytesMax = 65_536;

  readonly #commands: Readonly<Record<string, Command>> = {
    /** frugal: the next group's appends carry one entry each. */
    frugal: () => {
      this.#appendBytesMax = 1;
      return [];
    },
    /** nodes a=1 b=2: a new group of these voters. */
    nodes: (args) => {
      const configuration = makeConfiguration({ voters: votersOf(args) });
      const appendBytesMax = this.#appendBytesMax;
      const raft = { electionTicks: 10, heartbeatTicks: 2, inflightCountMax: 8, appendBytesMax };
      this.#cluster = new Cluster({ seed: 1, configuration, raft });
      this.#cut.clear();
      return [];
    },
    /** empty d: a replica that waits to be taken in. */
    empty: ([name = ""]) => {
      this.#world.addEmpty(name);
      return [];
    },
    /** stand a: time passes for it alone until it asks for votes. */
    stand: ([name = ""]) => {
      const replica = this.#replica(name);
      for (let i = 0; i < STAND_TICKS_MAX && replica.node?.role === "follower"; i++) {
        replica.node.tick();
        this.#world.drain(replica);
      }
      return [];
    },
    /** force a: it stands at once, as by order of its leader, and others vote though they hear theirs. */
    force: ([name = ""]) => {
      const { node } = this.#replica(name);
      if (node === null) throw new Error(`${name} is down`);
      const others = [...this.#world.replicas.keys()].filter((id) => id !== node.id);
      const from = others[0] ?? node.id;
      this.#world.deliver({ kind: "timeoutNow", from, to: node.id, term: node.term });
      return [];
    },
    tick: ([name = "", count = "1"]) => {
      const replica = this.#replica(name);
      for (let i = 0; i < Number(count); i++) {
        replica.node?.tick();
        this.#world.drain(replica);
      }
      return [];
    },
    /** settle: everything is delivered and synced, but no time passes. Messages of those cut off are lost. */
    settle: () => {
      for (let i = 0; i < SETTLE_ROUNDS_MAX; i++) {
        for (const replica of this.#world.replicas.values()) {
          while (replica.disk.hasUnsynced) this.#world.sync(replica);
          if (replica.node !== null) this.#world.finishInstall(replica);
        }
        const message = this.#world.network.shift();
        if (message === undefined) return [];
        if (!this.#isLost(message)) this.#world.deliver(message);
      }
      return ["does not settle"];
    },
    /** deliver a b: the messages under way from a to b; nothing that follows from them. */
    deliver: ([from = "", to = ""]) => {
      for (const message of this.#take(from, to)) this.#world.deliver(message);
      return [];
    },
    drop: ([from = "", to = ""]) => {
      this.#take(from, to);
      return [];
    },
    sync: ([name = ""]) => {
      const replica = this.#replica(name);
      while (replica.disk.hasUnsynced) this.#world.sync(replica);
      return [];
    },
    propose: ([name = "", ...payloads]) => {
      const replica = this.#replica(name);
      const index = replica.node?.propose(payloads.map((text) => Buffer.from(text))) ?? null;
      this.#world.drain(replica);
      return index === null ? ["refused"] : [];
    },
    /** members a a=1 b=2 +c: a proposes these voters and, with "+", learners. */
    members: ([name = "", ...parts]) => {
      const replica = this.#replica(name);
      const target = makeConfiguration({
        voters: votersOf(parts.filter((part) => !part.startsWith("+"))),
        learners: parts
          .filter((part) => part.startsWith("+"))
          .map((part) => asReplicaId(part.slice(1))),
      });
      const refusal = replica.node?.proposeConfiguration(target) ?? null;
      this.#world.drain(replica);
      return refusal === null ? [] : [refusal];
    },
    transfer: ([from = "", to]) => {
      const replica = this.#replica(from);
      const target = to === undefined ? null : asReplicaId(to);
      const refusal = replica.node?.transferLeadership(target) ?? null;
      this.#world.drain(replica);
      return refusal === null ? [] : [refusal];
    },
    /** read a 7: a asks for a read index under the number 7. */
    read: ([name = "", context = "0"]) => {
      this.#world.read(this.#replica(name), Number(context));
      return [];
    },
    reads: () =>
      this.#world.reads
        .splice(0)
        .map(({ replica, context, index }) => `${replica} may read ${context} at ${index}`),
    cut: ([name = ""]) => {
      this.#cut.add(asReplicaId(name));
      return [];
    },
    heal: () => {
      this.#cut.clear();
      return [];
    },
    crash: ([name = ""]) => {
      this.#world.crash(this.#replica(name));
      return [];
    },
    start: ([name = ""]) => {
      const replica = this.#replica(name);
      this.#world.start(replica);
      this.#world.drain(replica);
      return [];
    },
    /** damage b 3: power is lost, and synced entries from 3 on turn out to be damaged. */
    damage: ([name = "", from = "0"]) => {
      const replica = this.#replica(name);
      this.#world.checkDurability = false;
      this.#world.crash(replica);
      const last = replica.disk.syncedLastIndex;
      replica.disk.damage(asLogIndex(Number(from)));
      replica.damagedUpTo = last;
      return [];
    },
    compact: ([name = "", index = "0"]) => {
      this.#world.compact(this.#replica(name), asLogIndex(Number(index)));
      return [];
    },
    messages: () => this.#world.network.map(describeMessage),
    status: () => [...this.#world.replicas.values()].map(describeReplica),
    log: ([name = ""]) => [describeLog(this.#replica(name))],
    configuration: ([name = ""]) => [describeConfiguration(this.#world.node(name).configuration)],
    level: (args) => {
      const raw = new Map(votersOf(args).map(({ replica, weight }) => [replica, weight]));
      return [[...levelWeights(raw)].map(([replica, weight]) => `${replica}=${weight}`).join(" ")];
    },
  };

  run(line: string): readonly string[] {
    const [name = "", ...args] = line.trim().split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) throw new Error(`unknown command: ${line}`);
    return command(args);
  }

  get #world(): Cluster {
    if (this.#cluster === null) throw new Error("a scenario begins with `nodes`");
    return this.#cluster;
  }

  #replica(name: string): Replica {
    return this.#world.replica(name);
  }

  #isLost(message: Message): boolean {
    return this.#cut.has(message.from) || this.#cut.has(message.to);
  }

  #take(from: string, to: string): readonly Message[] {
    const { network } = this.#world;
    const all = network.splice(0);
    const isMeant = (message: Message) => message.from === from && message.to === to;
    network.push(...all.filter((message) => !isMeant(message)));
    return all.filter(isMeant);
  }
}

/** The scenario with what its commands print now. */
export function runScenario(text: string): string {
  const scenario = new Scenario();
  const lines: string[] = [];
  let printed: string[] = [];
  let isExpected = false;
  for (const line of text.trimEnd().split("\n")) {
    if (line === "") isExpected = false;
    if (isExpected) continue;
    lines.push(line);
    if (line === "----") {
      lines.push(...printed);
      printed = [];
      isExpected = true;
    } else if (line !== "" && !line.startsWith("#")) {
      printed.push(...scenario.run(line));
    }
  }
  if (printed.length > 0) throw new Error(`nobody reads what was printed: ${printed.join("; ")}`);
  return `${lines.join("\n")}\n`;
}

function votersOf(parts: readonly string[]): Voter[] {
  return parts.map((part) => {
    const [replica = "", weight = "1"] = part.split("=");
    return { replica: asReplicaId(replica), weight: Number(weight) };
  });
}

function describeReplica(replica: Replica): string {
  const status = replica.node?.status();
  if (status === undefined) return `${replica.id} down`;
  const { role, term, leader, commitIndex, lastIndex, stableIndex, damagedUpTo } = status;
  const parts = [
    `${replica.id} ${role} term ${term} leader ${leader ?? "none"}`,
    `commit ${commitIndex} last ${lastIndex} synced ${stableIndex} applied ${replica.appliedIndex}`,
  ];
  if (damagedUpTo !== null) parts.push(`damaged up to ${damagedUpTo}`);
  return parts.join(", ");
}

function describeLog(replica: Replica): string {
  const { node } = replica;
  if (node === null) return "down";
  const terms: string[] = [];
  for (let index = node.snapshotIndex as number; index <= node.lastIndex; index++) {
    terms.push(`${index}/${node.termOf(asLogIndex(index))}`);
  }
  return terms.join(" ");
}

function describeMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.kind} term ${message.term}`;
  switch (message.kind) {
    case "voteRequest": {
      const kind = message.preVote ? " pre" : message.transfer ? " transfer" : "";
      return `${head}${kind} log ${message.lastIndex}/${message.lastTerm}`;
    }
    case "voteResponse":
      return `${head}${message.preVote ? " pre" : ""} ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const entries = message.entries.map((entry) => `${entry.index}/${entry.term}`).join(" ");
      const after = `${message.prevIndex}/${message.prevTerm}`;
      return `${head} after ${after} commit ${message.commit} [${entries}]`;
    }
    case "appendResponse": {
      if (!message.rejected) return `${head} up to ${message.index}`;
      const hint = `${message.hintIndex}/${message.hintTerm}`;
      return `${head} refused ${message.index} hint ${hint}${message.damaged ? " damaged" : ""}`;
    }
    case "heartbeat":
      return `${head} commit ${message.commit} round ${message.round}`;
    case "heartbeatResponse":
      return `${head} round ${message.round}`;
    case "snapshotOffer":
      return `${head} at ${message.snapshot.index}/${message.snapshot.term}`;
    case "readResponse":
      return `${head} at ${message.index}`;
    default:
      return head;
  }
}

if (import.meta.main) {
  for (const name of readdirSync(import.meta.dir).filter((file) => file.endsWith(".txt"))) {
    const path = `${import.meta.dir}/${name}`;
    writeFileSync(path, runScenario(readFileSync(path, "utf8")));
  }
}
