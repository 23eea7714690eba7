/** What one test file needs: a scratch directory, machines with ports of their own, and an end to all of it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Status } from "../../../src/domain/api/index.ts";
import { Cluster } from "../../cluster/cluster.ts";
import { ClusterNode, type NodeOptions } from "../../cluster/cluster-node.ts";
import { until } from "../../cluster/processes.ts";
import { SqlClient, type SqlOptions, type SqlOutcome } from "../../cluster/sql-client.ts";
import type { Place } from "../../cluster/test-network.ts";
import { freePorts } from "../install/free-ports.ts";
import {
  type Ending,
  EXECUTABLE,
  ensureExecutable,
  mycelium,
  QUIET,
  type RunOptions,
} from "./program.ts";

type Settings = Readonly<Record<string, string>>;

/** A state directory, ports, an environment, and the agent that runs there. */
export class Machine extends ClusterNode {
  readonly place: Place;
  readonly #settings: Settings;

  constructor(options: NodeOptions) {
    super(options);
    this.place = options.place;
    this.#settings = options.settings;
  }

  /** Runs a command on this machine to its end. */
  run(words: readonly string[], { env, ...options }: RunOptions = {}): Promise<Ending> {
    const settings = { ...this.#settings, ...env };
    return mycelium([...words, "--state", this.state], { ...options, env: settings });
  }

  async untilHealthy(peerCount = 0): Promise<Status> {
    return until(`health of ${this.state}`, async () => {
      const status = await this.status();
      return status.healthy && status.peers.length >= peerCount ? status : null;
    });
  }
}

export class Lab {
  readonly directory: string;
  readonly #nodes: ClusterNode[] = [];
  readonly #clients: SqlClient[] = [];
  /** Agents that ended though nobody asked them to. */
  readonly deaths: string[] = [];

  constructor(name: string) {
    ensureExecutable();
    this.directory = mkdtempSync(join(tmpdir(), `mycelium-${name}-`));
    process.once("exit", () => {
      for (const node of this.#nodes) void node.kill();
    });
  }

  /** Nothing is made or started yet. `settings` are MYCELIUM_* variables of its agent. */
  async machine(name: string, settings: Settings = {}, executable = EXECUTABLE): Promise<Machine> {
    return this.machineAt(await freePlace(), name, settings, undefined, executable);
  }

  /** One whose ports are fixed by its environment, not by flags. */
  async machineByEnvironment(name: string): Promise<Machine> {
    const place = await freePlace();
    return this.machineAt(place, name, {
      MYCELIUM_HOST: place.host,
      MYCELIUM_PORT: String(place.httpPort),
      MYCELIUM_P2P_PORT: String(place.peerPort),
      MYCELIUM_GOSSIP_PORT: String(place.gossipPort),
    });
  }

  machineAt(
    place: Place,
    name: string,
    settings: Settings = {},
    state = join(this.directory, name),
    executable = EXECUTABLE,
  ): Machine {
    const machine = new Machine({
      executable,
      state,
      logFile: join(this.directory, `${name}.log`),
      place,
      settings: { ...QUIET, ...settings },
      onDeath: (what) => void this.deaths.push(what),
    });
    this.#nodes.push(machine);
    return machine;
  }

  /** A healthy network of one. */
  async network(name: string, settings: Settings = {}, state?: string): Promise<Machine> {
    const machine = this.machineAt(await freePlace(), name, settings, state);
    await machine.command("init", "--network", name, ...machine.portFlags);
    machine.start();
    await machine.untilHealthy();
    return machine;
  }

  /** A network of voters, the last of them in these state directories. */
  async cluster(
    count: number,
    settings: Settings = {},
    lastStates: readonly string[] = [],
  ): Promise<Cluster> {
    const places = await Promise.all(Array.from({ length: count }, freePlace));
    const directory = join(this.directory, "cluster");
    const names = Array.from({ length: count - lastStates.length }, (_, i) => `n${i}`);
    const cluster = await Cluster.form({
      executable: EXECUTABLE,
      directory,
      states: [...names.map((name) => join(directory, name)), ...lastStates],
      network: { places, cuts: null, close: () => {} },
      settings: { ...QUIET, ...settings },
      onDeath: (what) => void this.deaths.push(what),
    });
    this.#nodes.push(...cluster.nodes);
    return cluster;
  }

  /** Asks over HTTP as a libSQL client does. */
  sql(
    token: string,
  ): (node: ClusterNode, sql: string, options?: SqlOptions) => Promise<SqlOutcome> {
    const client = new SqlClient(() => token);
    this.#clients.push(client);
    return (node, sql, options) => client.run(node.target, [{ sql }], options);
  }

  /** `beforeRemoval` runs when all processes have ended. */
  async close(beforeRemoval: () => void = () => {}): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#nodes.map((node) => node.kill()));
    beforeRemoval();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function freePlace(): Promise<Place> {
  const { port, p2pPort } = await freePorts();
  return {
    host: "127.0.0.1",
    httpPort: port,
    peerPort: p2pPort,
    gossipPort: p2pPort + 1,
    enter: [],
  };
}
