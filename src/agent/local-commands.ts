/** What the local API's requests do. */

import { randomBytes } from "node:crypto";
import { errorCodeOf, type GroupId, MyceliumError, messageOf, type NodeId } from "../base/index.ts";
import type {
  ConfigView,
  LeaveRequest,
  SqlTokenAnswer,
  SqlTokenRequest,
  Status,
  TokenAnswer,
  TokenRequest,
  UpdateStatus,
} from "../domain/api/index.ts";
import { createSqlToken } from "../domain/identity/index.ts";
import { createInvite, decodeMemberList } from "../runtime/membership/index.ts";
import type { RolloutOperator } from "../runtime/update/index.ts";
import { endpoint, type Ports, reachableHosts } from "./announce.ts";
import { type Core, serviceOf } from "./core.ts";
import type { Ending } from "./ending.ts";
import type { LocalActions } from "./local-api.ts";
import { LEAVE_METHOD, MEMBERS_METHOD } from "./peer-requests.ts";
import { expelledBy } from "./problems.ts";
import { removeMember } from "./remove-member.ts";

const TOKEN_TTL_MS = 3_600_000;
const LISTED_TIMEOUT_MS = 10_000;
const LEAVE_TIMEOUT_MS = 30_000;
const LEAVE_POLL_MS = 100;
const ASK_TIMEOUT_MS = 2_000;

export interface CommandContext {
  status(): Promise<Status>;
  ports(): Ports;
  /** Resolves once this node stands on the member list. */
  listed(): Promise<void>;
  end(ending: Ending): void;
  config(): ConfigView;
  /** `refresh`: with all that was changed before. */
  update(refresh: boolean): Promise<UpdateStatus>;
  /** Throws READ_ONLY where nothing can be changed. */
  rollouts(): RolloutOperator;
}

export class LocalCommands implements LocalActions {
  readonly #core: Core;
  readonly #context: CommandContext;

  constructor(core: Core, context: CommandContext) {
    this.#core = core;
    this.#context = context;
  }

  status(): Promise<Status> {
    return this.#context.status();
  }

  config(): ConfigView {
    return this.#context.config();
  }

  update(refresh: boolean): Promise<UpdateStatus> {
    return this.#context.update(refresh);
  }

  rollouts(): RolloutOperator {
    return this.#context.rollouts();
  }

  async createToken(request: TokenRequest): Promise<TokenAnswer> {
    const { config, host, state, store } = this.#core;
    if (store === null) {
      throw new MyceliumError(
        "READ_ONLY",
        "Cannot create a token: this node is no validator; ask one that is",
      );
    }
    const nodeClass = request.class ?? (request.role === "miner" ? "rhizomorph" : "sclerotium");
    const role = request.role ?? (nodeClass === "rhizomorph" ? "miner" : "validator");
    const uses = request.uses ?? 1;
    const { key, network, grant } = state;
    await this.#listed();
    const secretBytes = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes));
    const addresses = reachableHosts(config).map((name) =>
      endpoint(name, this.#context.ports().http),
    );
    const invite = await createInvite(
      { network, key, grant, store, secretBytes },
      { class: nodeClass, role, ttlMs: request.ttlMs ?? TOKEN_TTL_MS, uses, addresses },
      host.clock.wallMs(),
    );
    return { token: invite.token, role, class: nodeClass, uses, expiresAtMs: invite.expiresAtMs };
  }

  createSqlToken(request: SqlTokenRequest): SqlTokenAnswer {
    const { grant, host, state } = this.#core;
    if (grant.role !== "validator") {
      throw new MyceliumError(
        "READ_ONLY",
        "Cannot create an SQL token: only validators sign them and this node is a miner; ask a validator",
      );
    }
    const nowMs = host.clock.wallMs();
    const expiresAtMs = request.ttlMs === undefined ? null : nowMs + request.ttlMs;
    const { mode } = request;
    const token = createSqlToken(state.key, {
      networkId: state.network.id,
      mode,
      nowMs,
      expiresAtMs,
    });
    const { config } = this.#core;
    const any = config.host === "0.0.0.0" || config.host === "::";
    const url = `http://${endpoint(any ? "127.0.0.1" : config.host, this.#context.ports().http)}`;
    return { token, mode, expiresAtMs, url };
  }

  /** Out of every Raft group, then off the list; the last node, and one that was removed, simply ends. */
  async leave(request: LeaveRequest): Promise<void> {
    const { consensus, grant, membership, store, transport } = this.#core;
    const others = membership.members().filter((member) => member.id !== grant.member);
    const isOut = expelledBy(transport.links(), others) !== undefined;
    if (others.length > 0 && !isOut) {
      if (store === null) await this.#askToLeave(others.map((member) => member.id));
      else {
        await store.beginLeave(grant.member);
        await consensus.handOverAll();
      }
      await this.#untilGone(others.map((member) => member.id));
    }
    this.#context.end({ kind: "leave", wipe: request.wipe });
  }

  async removeNode(node: NodeId): Promise<void> {
    const { consensus, grant, host, membership, store } = this.#core;
    if (node === grant.member) {
      throw new MyceliumError(
        "BAD_ARGUMENT",
        "Cannot remove this node from itself; use `mycelium leave`",
      );
    }
    if (store === null) {
      throw new MyceliumError(
        "READ_ONLY",
        "Cannot remove a node: this node is no validator; ask one that is",
      );
    }
    const service = (group: GroupId) => serviceOf(this.#core, group);
    await removeMember({ consensus, service, membership, store, clock: host.clock }, node);
  }

  /** Rejects with NO_QUORUM when a network that is being made, or has no quorum, stays so. */
  async #listed(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<void>();
    const timer = this.#core.host.clock.after(LISTED_TIMEOUT_MS, () =>
      reject(
        new MyceliumError(
          "NO_QUORUM",
          "Cannot create a token: this node is not on the network's member list yet; `mycelium status` says why",
        ),
      ),
    );
    await Promise.race([this.#context.listed(), late]);
    timer.cancel();
  }

  stop(): void {
    this.#context.end({ kind: "stop" });
  }

  async #askToLeave(others: readonly NodeId[]): Promise<void> {
    for (const node of others) {
      if (!this.#core.links.isUp(node)) continue;
      try {
        await this.#core.transport.request(node, LEAVE_METHOD, new Uint8Array(0), ASK_TIMEOUT_MS);
        return;
      } catch (error) {
        if (errorCodeOf(error) === undefined) throw error;
        this.#core.host.logger.warn("leave not taken", { node, reason: messageOf(error) });
      }
    }
    throw unreachable();
  }

  /** Until some other member's list does not name this node any more, or its links are cut for it. */
  async #untilGone(others: readonly NodeId[]): Promise<void> {
    const { clock } = this.#core.host;
    const deadlineMs = clock.monotonicMs() + LEAVE_TIMEOUT_MS;
    while (clock.monotonicMs() < deadlineMs) {
      for (const node of others) if (await this.#isOffListOf(node)) return;
      await new Promise<void>((resolve) => clock.after(LEAVE_POLL_MS, resolve));
    }
    throw unreachable();
  }

  async #isOffListOf(node: NodeId): Promise<boolean> {
    const { grant, membership, transport } = this.#core;
    if (membership.list().revoked.some((one) => one.id === grant.member)) return true;
    // Whoever has taken this node off its list cuts the link, and says why when it is dialled again.
    const link = transport.links().find((one) => one.node === node);
    if (link?.lastErrorCode === "NOT_A_MEMBER" || link?.lastErrorCode === "FORBIDDEN") return true;
    try {
      const answer = await transport.request(
        node,
        MEMBERS_METHOD,
        new Uint8Array(0),
        ASK_TIMEOUT_MS,
      );
      return !decodeMemberList(answer).members.some((member) => member.id === grant.member);
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      return errorCodeOf(error) === "NOT_A_MEMBER";
    }
  }
}

function unreachable(): MyceliumError {
  return new MyceliumError(
    "NO_QUORUM",
    "Cannot leave: the other nodes did not confirm it in time; nothing is deleted; retry when they are reachable, " +
      "or stop this node and remove it from another with `mycelium node remove ID`",
  );
}
