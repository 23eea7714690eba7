/** The parts of a running node that everything else stands on, opened in order and closed in reverse. */

import { randomBytes, randomInt } from "node:crypto";
import { resolve } from "node:path";
import type { LinkTransport } from "../adapters/link/index.ts";
import { SegmentLogStore } from "../adapters/log/index.ts";
import {
  condemnDatabase,
  removeSetAside,
  SqliteShardDatabase,
  WorkerHost,
} from "../adapters/sqlite/index.ts";
import type { StateDirectory } from "../adapters/state/index.ts";
import {
  asRequestId,
  assert,
  errorCodeOf,
  type GroupId,
  MyceliumError,
  messageOf,
  present,
  replicaOfNode,
  SeededRandom,
  toHex,
} from "../base/index.ts";
import type { Config } from "../domain/config/index.ts";
import { type Grant, sign, verifyGrant, verifyOfNode } from "../domain/identity/index.ts";
import type { GroupLog, SqlService } from "../ports/index.ts";
import { Consensus } from "../runtime/consensus/index.ts";
import { MemberStore, Membership } from "../runtime/membership/index.ts";
import { openOrReset, Shard, type ShardOptions } from "../runtime/store/index.ts";
import { ClockCheck } from "./clock-check.ts";
import { groupsFor, MAIN, SYSTEM } from "./groups.ts";
import { guardFile } from "./guard.ts";
import type { Host } from "./host.ts";
import { linkTransport } from "./link-transport.ts";
import { Links } from "./links.ts";
import { logLost } from "./log-loss.ts";
import { forgottenReason, type NodeState, replicaLifeOf } from "./node-state.ts";
import { ownDatabase } from "./own-database.ts";
import { EMPTY_REASON, lacksState, otherReplicas, refillFrom } from "./refill.ts";
import { consensusSettings, shardLimits } from "./settings.ts";

const CONTEXT_MAX = 2 ** 47;

export interface OpenShard {
  readonly id: GroupId;
  readonly shard: Shard;
  readonly database: SqliteShardDatabase;
}

export interface Core {
  readonly config: Config;
  readonly host: Host;
  readonly directory: StateDirectory;
  readonly state: NodeState;
  readonly grant: Grant;
  /** Random per start: tells two processes with one key apart. */
  readonly instance: string;
  readonly logStore: SegmentLogStore;
  readonly workers: WorkerHost;
  readonly transport: LinkTransport;
  readonly links: Links;
  readonly clocks: ClockCheck;
  readonly consensus: Consensus;
  readonly shards: readonly OpenShard[];
  readonly membership: Membership;
  readonly store: MemberStore | null;
  /** This node's own addresses as others are told; set once the ports are known. */
  readonly addresses: { current: readonly string[] };
  /** Called after each change of a shard's content here. */
  readonly onApplied: Map<GroupId, () => void>;
}

export async function openCore(
  config: Config,
  host: Host,
  directory: StateDirectory,
  state: NodeState,
  readMembers: (core: Core) => ReturnType<MemberStore["readAll"]>,
): Promise<Core> {
  const { clock, logger, metrics } = host;
  const verdict = verifyGrant(state.grant, state.network, clock.wallMs());
  assert(verdict.ok, "a loaded node has a valid grant");
  const { grant } = verdict;
  const guardPath = await guardFile(directory);
  const instance = toHex(new Uint8Array(randomBytes(8)));
  const addresses: Core["addresses"] = { current: [] };
  const onApplied = new Map<GroupId, () => void>();
  const random = new SeededRandom(randomInt(2 ** 32 - 1));
  const logStore = new SegmentLogStore({ directory: directory.file("log") });
  const transport = linkTransport(config, host, state, {
    instance,
    addresses: () => addresses.current,
    random: random.fork(),
  });
  const consensus = new Consensus({
    node: grant.member,
    clock,
    random: random.fork(),
    logStore,
    transport,
    logger,
    metrics,
    settings: consensusSettings(config),
    firstContext: randomInt(CONTEXT_MAX),
    mayVote: (node) => membership.isValidator(node),
    onFailure: host.onLogFailure,
    onForgotten: host.onForgotten,
  });
  const membership = new Membership({
    network: state.network,
    self: grant.member,
    clock,
    logger,
    read: () => readMembers(core),
  });
  const workers = new WorkerHost(clock);
  const partial = { config, host, directory, state, grant, instance, logStore, workers };
  const clocks = new ClockCheck(clock);
  const links = new Links(clock);
  const wired = { transport, links, clocks, consensus, membership, addresses, onApplied };
  await openLog(consensus, logStore, directory, groupsFor(grant.role));
  const shards: OpenShard[] = [];
  for (const group of groupsFor(grant.role)) {
    shards.push(await openShard(group, { ...partial, ...wired }, guardPath));
  }
  const system = shards.find((one) => one.id === SYSTEM);
  const store =
    system === undefined
      ? null
      : new MemberStore({
          sql: system.shard.service,
          newRequestId: () => asRequestId(toHex(new Uint8Array(randomBytes(16)))),
          readDeadlineMs: config.readTimeoutMs,
        });
  const core: Core = { ...partial, ...wired, shards, store };
  return core;
}

/** Throws what `isLogLost` tells when it does not hold all that this node promised. */
async function openLog(
  consensus: Consensus,
  log: SegmentLogStore,
  directory: StateDirectory,
  groups: readonly GroupId[],
): Promise<void> {
  const forgotten = forgottenReason(directory);
  if (forgotten !== null) throw logLost(new MyceliumError("STATE_CORRUPT", forgotten));
  try {
    const recovered = await consensus.start();
    const gone = groups.find((group) => !recovered.some((one) => one.group === group));
    if (gone === undefined) return;
    await log.close();
    throw logGone(directory, gone);
  } catch (error) {
    const isCorrupt = error instanceof MyceliumError && error.code === "STATE_CORRUPT";
    throw isCorrupt ? logLost(error) : error;
  }
}

/**
 * The log is made before the node is, so it was there. Going on with an empty one, this replica would forget what it
 * voted for and acknowledged, and a quorum could be without what a client was told is stored.
 */
function logGone(directory: StateDirectory, group: GroupId): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot run: the log in ${directory.file("log")} holds nothing of shard ${group}, though this node had a ` +
      "replica of it; restore the directory, or remove this node from the network and let it join anew from an " +
      "empty one",
  );
}

/** After a start, which has other things to do. */
const FILE_CHECK_DELAY_MS = 3_000;

type Wiring = Omit<Core, "shards" | "store">;

/** A directory of a shard's own: DATABASE_PATH for `main`, "NAME.SHARD.db" beside it for others. */
export function databaseDirectory(directory: StateDirectory, path: string, group: GroupId): string {
  const main = resolve(directory.path, path);
  if (group === MAIN) return main;
  const dot = main.lastIndexOf(".db");
  return dot < 0 ? `${main}.${group}.db` : `${main.slice(0, dot)}.${group}.db`;
}

async function openShard(group: GroupId, wiring: Wiring, guardPath: string): Promise<OpenShard> {
  const { config, consensus, directory, grant, host, state, workers } = wiring;
  const path = databaseDirectory(directory, config.databasePath, group);
  ownDatabase(directory, path, state.network.id, host.logger);
  const database = new SqliteShardDatabase(workers, {
    shard: group,
    directory: path,
    guardPath,
    reserveBytes: config.diskReserveBytes,
    clock: host.clock,
  });
  const { position, damage } = await openOrReset(database);
  let shard: Shard | null = null;
  await consensus.open({
    group,
    replica: replicaOfNode(grant.member, replicaLifeOf(directory)),
    installed: position.installed,
    makeStateMachine: (log) => {
      shard = new Shard(shardOptions(group, wiring, database, log), position);
      return shard.stateMachine;
    },
  });
  const opened: Shard = present<Shard>(shard, "a shard that consensus opened");
  if (damage === null) {
    host.clock.after(FILE_CHECK_DELAY_MS, () => void checkFile(database, opened, host));
  } else {
    host.damages.push(`the database of ${group} is damaged: ${damage}`);
    host.logger.error("database damaged, it is filled anew", { shard: group, reason: damage });
  }
  const from = refillFrom(consensus, group, grant.member);
  const isEmptied = damage !== null || lacksState(consensus, group, position.appliedIndex);
  if (from !== "nothing") removeSetAside(path);
  if (isEmptied && from === "nothing") opened.keepDamaged(damage ?? EMPTY_REASON);
  else if (damage !== null && from === "copy") void opened.resync(damage);
  return { id: group, shard: opened, database };
}

/** Damage that nothing has read yet is found while others are likely whole, not when this replica is needed. */
async function checkFile(database: SqliteShardDatabase, shard: Shard, host: Host): Promise<void> {
  try {
    for (let next: number | null = 1; next !== null; ) next = await database.checkPages(next);
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === undefined) host.onFatal(error);
    else if (code === "STATE_CORRUPT") {
      host.damages.push(`a database is damaged: ${messageOf(error)}`);
      await shard.resync(messageOf(error));
    }
  }
}

function shardOptions(
  group: GroupId,
  wiring: Wiring,
  database: SqliteShardDatabase,
  log: GroupLog,
): ShardOptions {
  const { config, consensus, directory, grant, host, membership, onApplied, state } = wiring;
  const { clocks, links, transport } = wiring;
  const self = grant.member;
  return {
    shard: group,
    clock: host.clock,
    logger: host.logger,
    metrics: host.metrics,
    database,
    log,
    peers: transport,
    authority: {
      node: self,
      sign: (payload) => sign(state.key, payload),
      verify: verifyOfNode,
      mayWrite: (author) =>
        author === self ? grant.role === "validator" : membership.isValidator(author),
    },
    entropy: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
    replicaNodes: () => otherReplicas(consensus, group, self),
    refill: (reason) => {
      const from = refillFrom(consensus, group, self);
      if (from !== "log") return from;
      condemnDatabase(databaseDirectory(directory, config.databasePath, group), reason);
      host.onRefill(reason);
      return from;
    },
    clockOffMs: () => clocks.aheadOfAllMs(),
    aheadMs: (peer, timeMs) => clocks.peerAheadMs(peer, timeMs),
    quorumUnseenMs: () => {
      const configuration = consensus.configuration(group);
      return configuration === null ? 0 : links.quorumUnseenMs(configuration, self);
    },
    onApplied: () => onApplied.get(group)?.(),
    onFatal: host.onFatal,
    limits: shardLimits(config),
  };
}

/** A shard's clients' side; null where this node holds no replica of it. */
export function serviceOf({ shards }: Pick<Core, "shards">, group: GroupId): SqlService | null {
  return shards.find(({ id }) => id === group)?.shard.service ?? null;
}

/** In reverse: nothing is asked of a part that was closed before. */
export async function closeCore(core: Core): Promise<void> {
  await core.consensus.stop();
  for (const { shard } of core.shards) shard.stop();
  await core.transport.close();
  for (const { database } of core.shards) await database.close();
  await core.workers.close();
  await core.logStore.close();
}
