/**
 * A node whose log is lost, or was put back from an older copy, has forgotten what it voted for and acknowledged: it
 * must not take part as the replica it was. It asks the network for its next life instead: a quorum records it, the
 * leader takes the old replica out, and the new one begins empty, as a learner. Raft's promises are of replicas, so
 * none is broken.
 *
 * Order: the network grants the life -> log and databases are removed -> the life is written -> empty groups are made.
 * Cut short anywhere, the next start finds a log that is lost again, and asks for one life more.
 */

import { randomBytes, randomInt } from "node:crypto";
import type { LinkTransport } from "../adapters/link/index.ts";
import type { StateDirectory } from "../adapters/state/index.ts";
import {
  errorCodeOf,
  MyceliumError,
  messageOf,
  type NodeId,
  SeededRandom,
  toHex,
  utf8,
} from "../base/index.ts";
import type { Config } from "../domain/config/index.ts";
import { verifyGrant } from "../domain/identity/index.ts";
import { decodeCbor, integer } from "../domain/wire/index.ts";
import { decodeMemberList, type Member, Membership } from "../runtime/membership/index.ts";
import { type Core, databaseDirectory, openCore } from "./core.ts";
import { createEmptyGroups, groupsFor } from "./groups.ts";
import type { Host } from "./host.ts";
import { withLog } from "./init.ts";
import { linkTransport } from "./link-transport.ts";
import { isLogLost } from "./log-loss.ts";
import { FORGOTTEN_FILE, MEMBERS_FILE, type NodeState, REPLICA_FILE } from "./node-state.ts";
import { NEXT_LIFE_METHOD } from "./peer-requests.ts";

/** Then the start fails as if nobody had been asked; whoever supervises it tries again. */
const ASKING_MS = 60_000;
const ASK_TIMEOUT_MS = 10_000;
const PAUSE_MS = 250;
const lifeShape = integer(1, 1_000_000);

/** `openCore`, in the next life of this node's replicas where the log of this one is lost. */
export async function openInSomeLife(...parts: Parameters<typeof openCore>): Promise<Core> {
  try {
    return await openCore(...parts);
  } catch (error) {
    if (!isLogLost(error)) throw error;
    const [config, host, directory, state] = parts;
    await beginNextLife(error, config, host, directory, state);
    return openCore(...parts);
  }
}

/** Makes this node an empty replica in its next life. Throws `loss` when no quorum of others grants it in time. */
async function beginNextLife(
  loss: MyceliumError,
  config: Config,
  host: Host,
  directory: StateDirectory,
  state: NodeState,
): Promise<void> {
  const verdict = verifyGrant(state.grant, state.network, host.clock.wallMs());
  const cached = directory.read(MEMBERS_FILE);
  const { members } = cached === null ? { members: [] } : decodeMemberList(cached);
  const others = members.filter(({ id, role }) => role === "validator" && id !== state.key.nodeId);
  if (!verdict.ok || others.length === 0) throw loss;
  host.logger.warn("log lost, asking the network for this replica's next life", {
    reason: loss.message,
  });
  const life = await askForLife(loss, others, config, host, state);
  const groups = groupsFor(verdict.grant.role);
  directory.remove("log");
  for (const group of groups) {
    directory.remove(databaseDirectory(directory, config.databasePath, group));
  }
  directory.write(REPLICA_FILE, utf8(`${life}\n`));
  await withLog(directory, (log) => createEmptyGroups(log, groups));
  directory.remove(FORGOTTEN_FILE);
  host.logger.warn("this node begins anew as an empty replica", { life });
}

async function askForLife(
  loss: MyceliumError,
  others: readonly Member[],
  config: Config,
  host: Host,
  state: NodeState,
): Promise<number> {
  const { clock, logger } = host;
  const membership = new Membership({
    network: state.network,
    self: state.key.nodeId,
    clock,
    logger,
    read: async () => null,
  });
  const transport = linkTransport(config, host, state, {
    instance: toHex(new Uint8Array(randomBytes(8))),
    addresses: () => [],
    random: new SeededRandom(randomInt(2 ** 32 - 1)),
  });
  await transport.start({
    admit: (hello) => membership.admit(hello),
    linkUp: () => {},
    linkDown: () => {},
    message: () => {},
    request: () => Promise.reject(new MyceliumError("CLOSED", "Cannot answer: no replica here")),
  });
  try {
    transport.setPeers(others.map(({ id, addresses }) => ({ node: id, addresses })));
    const deadlineMs = clock.monotonicMs() + ASKING_MS;
    while (clock.monotonicMs() < deadlineMs) {
      for (const { id } of others) {
        const life = await ask(transport, id, host);
        if (life !== null) return life;
      }
      await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve));
    }
  } finally {
    await transport.close();
  }
  throw loss;
}

async function ask(transport: LinkTransport, node: NodeId, host: Host): Promise<number | null> {
  try {
    const nothing = new Uint8Array(0);
    const answer = await transport.request(node, NEXT_LIFE_METHOD, nothing, ASK_TIMEOUT_MS);
    return lifeShape(decodeCbor(answer), "replica life");
  } catch (error) {
    if (errorCodeOf(error) === undefined) throw error;
    host.logger.debug("next life not granted", { node, reason: messageOf(error) });
    return null;
  }
}
