/** Runs the node of a state directory until it is told to stop. */

import { renameSync } from "node:fs";
import {
  collectGarbage,
  dropFilePages,
  LineLogger,
  openSystemdNotifier,
  PrometheusMetrics,
  SystemClock,
  type SystemdNotifier,
} from "../adapters/host/index.ts";
import { StateDirectory } from "../adapters/state/index.ts";
import { errorCodeOf, MyceliumError, messageOf, toHex } from "../base/index.ts";
import { type ConfigView, VERSION } from "../domain/api/index.ts";
import type { Config } from "../domain/config/index.ts";
import { verifyGrant } from "../domain/identity/index.ts";
import { Agent } from "./agent.ts";
import { type Core, databaseDirectory } from "./core.ts";
import type { Ending } from "./ending.ts";
import { GROUPS } from "./groups.ts";
import type { Host } from "./host.ts";
import { IdleTrim, type OwnProcess } from "./idle-trim.ts";
import { initNetwork, removeNode } from "./init.ts";
import { readMemberList } from "./member-upkeep.ts";
import { loadNodeState, type NodeState, noteForgotten } from "./node-state.ts";
import { leftSuffix } from "./own-database.ts";
import { openInSomeLife } from "./replica-life.ts";
import { type Launch, type OwnSlots, ownSlots } from "./slots.ts";

export interface RunOptions {
  /** What `mycelium config` shows of this run. */
  readonly settings: ConfigView;
  /** NOTIFY_SOCKET and half of WATCHDOG_USEC, where systemd supervises. */
  readonly notifySocket: string | null;
  readonly watchdogMs: number | null;
  /** Accept a state directory that was moved. */
  readonly adopt: boolean;
  readonly launch: Launch;
}

/** Between two lives of an agent whose log failed. */
const RESTART_DELAY_MS = 1_000;
/** An agent that another version shall follow gets this long to stop: what is acknowledged is on disk anyway. */
const SWITCH_STOP_MS = 20_000;

/** Resolves with the exit status: 0 after a graceful end. Throws what prevents a start. */
export async function runAgent(config: Config, options: RunOptions): Promise<number> {
  const { promise: signalled, resolve: end } = Promise.withResolvers<Ending>();
  const host = makeHost(config);
  let isStopAsked = false;
  const onSignal = () => {
    isStopAsked = true;
    end({ kind: "stop" });
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  if (!StateDirectory.holdsNode(config.state)) await makeNetwork(config, host);
  const directory = StateDirectory.open(config.state, { create: false, adopt: options.adopt });
  try {
    const notifier = openSystemdNotifier(options.notifySocket);
    const slots = ownSlots(config, options.launch);
    for (;;) {
      const ending = await life({ config, options, directory, notifier, slots }, host, signalled);
      if (ending.kind === "stop" || ending.kind === "leave" || isStopAsked) {
        await endAsAsked(slots, host);
        return 0;
      }
      if (ending.kind === "switch") await switchNow(slots, notifier, host);
      await new Promise((resolve) => setTimeout(resolve, RESTART_DELAY_MS));
    }
  } finally {
    directory.close();
  }
}

async function makeNetwork(config: Config, host: Host): Promise<void> {
  const made = await initNetwork(config, { name: config.networkName });
  host.logger.info("made a new network, because this directory held no node", {
    ...made,
    name: config.networkName,
  });
}

interface OpenNode {
  readonly config: Config;
  readonly options: RunOptions;
  readonly directory: StateDirectory;
  readonly notifier: SystemdNotifier;
  /** Null where this process was not started by the launcher. */
  readonly slots: OwnSlots | null;
}

/** One life of the node. A core on trial that cannot start is taken back: the one before could. */
async function life(node: OpenNode, host: Host, signalled: Promise<Ending>): Promise<Ending> {
  const { config, directory, slots } = node;
  try {
    const state = loadNodeState(directory, host.clock.wallMs());
    checkWanted(config, state);
    const ending = await serve(node, state, host, signalled);
    if (ending.kind === "leave") forget(config, directory, state, ending.wipe);
    return ending;
  } catch (error) {
    const reason = `it cannot start: ${messageOf(error)}`;
    if (slots === null || !(await slots.store.revert(reason))) throw error;
    host.logger.error("this version is taken back", { version: VERSION, reason });
    return { kind: "switch" };
  }
}

async function endAsAsked(slots: OwnSlots | null, host: Host): Promise<void> {
  try {
    await slots?.store.endAsAsked();
  } catch (error) {
    // A start too many is counted then.
    host.logger.warn("cannot note that this version ended as asked", { reason: messageOf(error) });
  }
}

/** Becomes what the record says is active. Returns only when that cannot be started: this version goes on then. */
async function switchNow(
  slots: OwnSlots | null,
  notifier: SystemdNotifier,
  host: Host,
): Promise<void> {
  notifier.notify("WATCHDOG=1\nSTATUS=switching to another version");
  try {
    slots?.become();
  } catch (error) {
    if (!(error instanceof MyceliumError)) throw error;
    host.logger.error("cannot switch to another version, this one goes on", {
      reason: error.message,
    });
    await slots?.store.undoSwitch(error.message);
  }
}

/** One life of the agent, from opening its log to closing it. */
async function serve(
  node: OpenNode,
  state: NodeState,
  bare: Host,
  signalled: Promise<Ending>,
): Promise<Ending> {
  const { config, options, directory, notifier, slots } = node;
  const { promise: ended, resolve: end } = Promise.withResolvers<Ending>();
  const host: Host = {
    ...bare,
    onLogFailure: (error) => {
      if (error.code !== "DISK_FULL") bare.damages.push(`the log has failed: ${error.message}`);
      bare.logger.error("log failed, it is opened again", { reason: error.message });
      end({ kind: "restart" });
    },
    onForgotten: (error) => {
      try {
        noteForgotten(directory, error.message);
        end({ kind: "restart" });
      } catch (cause) {
        // Not the fault of the peer that told it, whose message is being handled here.
        bare.onFatal(cause);
      }
    },
    onRefill: (reason) => {
      bare.logger.error("database damaged, it is filled from the log", { reason });
      end({ kind: "restart" });
    },
  };
  const core = await openInSomeLife(config, host, directory, state, readMemberList);
  const agent = new Agent(core, options.settings, slots, end);
  const stops: (() => void)[] = [];
  let ending: Ending | null = null;
  try {
    await agent.start();
    notifier.notify("READY=1\nSTATUS=serving");
    // In the background: the node serves without it, but a port that was asked for and is taken ends it.
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    agent.startDiscovery().catch(fail);
    const idleTrim = new IdleTrim(host.clock, ownProcess(core));
    stops.push(feedWatchdog(host, notifier, options.watchdogMs), () => idleTrim.stop());
    ending = await untilEnded(Promise.race([ended, signalled, failed]));
    if (ending.kind === "stop" || ending.kind === "leave") notifier.notify("STOPPING=1");
    return ending;
  } finally {
    for (const stop of stops) stop();
    if (ending?.kind === "switch") {
      slots?.seeOff();
      await atMost(SWITCH_STOP_MS, agent.stop());
    } else await agent.stop();
  }
}

async function atMost(timeoutMs: number, step: Promise<void>): Promise<void> {
  const { promise: expired, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  await Promise.race([step, expired]);
  clearTimeout(timer);
}

/** Timers here do not keep a process alive; a wait for the end must. */
async function untilEnded(ended: Promise<Ending>): Promise<Ending> {
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    return await ended;
  } finally {
    clearInterval(alive);
  }
}

function makeHost(config: Config): Host {
  const clock = new SystemClock();
  const logger = new LineLogger({
    clock,
    level: config.logLevel,
    format: config.logFormat,
    write: (line) => process.stderr.write(line),
  });
  const onFatal = (error: unknown): void => {
    // Nothing that is held in memory can be trusted now; what is on disk can: start again from it.
    logger.error("fatal error, the process ends", {
      reason: messageOf(error),
      code: errorCodeOf(error) ?? "BUG",
      stack: error instanceof Error ? (error.stack ?? null) : null,
    });
    process.exit(70);
  };
  process.on("uncaughtException", onFatal);
  process.on("unhandledRejection", onFatal);
  const metrics = new PrometheusMetrics();
  const onEnd = { onLogFailure: onFatal, onForgotten: onFatal, onRefill: onFatal };
  return { clock, logger, metrics, onFatal, ...onEnd, damages: [] };
}

function ownProcess({ consensus }: Core): OwnProcess {
  return {
    collectGarbage,
    dropFilePages,
    residentBytes: () => process.memoryUsage.rss(),
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000;
    },
    entryCount: () => consensus.status().groups.reduce((sum, group) => sum + group.lastIndex, 0),
  };
}

function feedWatchdog(
  host: Host,
  notifier: SystemdNotifier,
  intervalMs: number | null,
): () => void {
  if (intervalMs === null) return () => {};
  let timer = host.clock.after(intervalMs, feed);
  function feed(): void {
    notifier.notify("WATCHDOG=1");
    timer = host.clock.after(intervalMs ?? 0, feed);
  }
  return () => timer.cancel();
}

/** Settings that name one network, key or role refuse any other. */
function checkWanted(config: Config, state: NodeState): void {
  const { network, key, grant } = state;
  const verdict = verifyGrant(grant, network, Date.now());
  const role = verdict.ok ? verdict.grant.role : null;
  const wanted: readonly (readonly [string, string | null, string])[] = [
    ["NETWORK_ID", config.networkId === "testnet" ? null : config.networkId, network.id],
    ["PUBLIC_KEY", config.publicKey, toHex(key.publicKey)],
    ["NODE_TYPE", config.nodeType, role ?? "none"],
  ];
  for (const [name, needed, found] of wanted) {
    if (needed === null || needed === found) continue;
    throw new MyceliumError(
      "BAD_CONFIG",
      `Cannot run: ${name} is set to ${needed}, but the node in ${config.state} has ${found}; correct the setting, ` +
        "or name another directory with --state",
    );
  }
}

/** After leaving: identity and log go; the databases go too, or stay under another name. */
function forget(config: Config, directory: StateDirectory, state: NodeState, wipe: boolean): void {
  removeNode(directory);
  const suffix = leftSuffix(state.network.id);
  for (const group of GROUPS) {
    const path = databaseDirectory(directory, config.databasePath, group);
    if (wipe) directory.remove(path);
    else if (directory.has(path)) renameSync(path, `${path}.${suffix}`);
  }
}
