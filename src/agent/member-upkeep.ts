/**
 * Keeps the member list current on this node and this node current on the list: makes the list on a new network,
 * announces addresses after a start, reads it after each change, keeps links with whoever is on it, and caches it
 * for the next start.
 */

import type { StateDirectory } from "../adapters/state/index.ts";
import { errorCodeOf, type GroupId, messageOf, type NodeId, nodeOfReplica } from "../base/index.ts";
import type { Grant } from "../domain/identity/index.ts";
import type { Timer, Transport } from "../ports/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import {
  type Announcement,
  decodeMemberList,
  encodeAnnouncement,
  encodeMemberList,
  type Member,
  type MemberList,
  type MemberStore,
  type Membership,
  signAnnouncement,
} from "../runtime/membership/index.ts";
import { MAIN, SYSTEM } from "./groups.ts";
import type { Host } from "./host.ts";
import type { Links } from "./links.ts";
import { MEMBERS_FILE, type NodeState } from "./node-state.ts";
import { ANNOUNCE_METHOD, MEMBERS_METHOD } from "./peer-requests.ts";

const RETRY_MS = 500;
/** Nodes without a replica of `system` ask a validator this often. */
const ASK_INTERVAL_MS = 2_000;
const ASK_TIMEOUT_MS = 5_000;

/** What it needs of a running node. */
export interface UpkeepParts {
  readonly grant: Grant;
  readonly state: Pick<NodeState, "network" | "key">;
  readonly host: Pick<Host, "clock" | "logger" | "onFatal">;
  readonly directory: Pick<StateDirectory, "read" | "write">;
  readonly consensus: Consensus;
  readonly links: Links;
  readonly transport: Pick<Transport, "cut" | "links" | "request">;
  readonly membership: Membership;
  /** Null where the node holds no replica of `system`. */
  readonly store: MemberStore | null;
  readonly onApplied: Map<GroupId, () => void>;
}

type ListParts = Omit<UpkeepParts, "directory" | "onApplied">;

/** The list: from the own replica of `system`, else from a linked validator. Null when neither has one. */
export async function readMemberList(core: ListParts): Promise<MemberList | null> {
  if (core.store !== null) return core.store.readAll();
  const encoded = await askValidators(core, MEMBERS_METHOD, new Uint8Array(0));
  return encoded === null ? null : decodeMemberList(encoded);
}

/** The first answer of a linked validator; null when none has one. */
async function askValidators(
  core: ListParts,
  method: string,
  payload: Uint8Array,
): Promise<Uint8Array | null> {
  for (const id of listKeepers(core)) {
    try {
      return await core.transport.request(id, method, payload, ASK_TIMEOUT_MS);
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      core.host.logger.warn("not answered", { node: id, method, reason: messageOf(error) });
    }
  }
  return null;
}

/**
 * Linked validators, those first that are sure to be current: who leads, then who votes. One that was removed may not
 * know it, and would keep this node from ever hearing of it.
 */
function listKeepers({ consensus, links, membership }: ListParts): readonly NodeId[] {
  const leader = consensus.groupStatus(MAIN)?.leader;
  const voters = consensus.configuration(MAIN)?.voters.map(({ replica }) => nodeOfReplica(replica));
  const rank = (id: NodeId) => (id === leader ? 0 : voters?.includes(id) === true ? 1 : 2);
  return membership
    .peers()
    .map(({ node }) => node)
    .filter((node) => membership.isValidator(node) && links.isUp(node))
    .sort((a, b) => rank(a) - rank(b));
}

/** The list as it was when this node last ran: tokens and links are judged by it until a newer one is read. */
export function loadCachedMembers({
  directory,
  membership,
}: Pick<UpkeepParts, "directory" | "membership">): void {
  const cached = directory.read(MEMBERS_FILE);
  if (cached !== null) membership.replace(decodeMemberList(cached));
}

export class MemberUpkeep {
  readonly #core: UpkeepParts;
  #announcement: Announcement;
  readonly #onChange: () => void;
  readonly #listed = Promise.withResolvers<void>();
  #timer: Timer | null = null;
  #announced = false;
  #stopped = false;

  constructor(core: UpkeepParts, announcement: Announcement, onChange: () => void) {
    this.#core = core;
    this.#announcement = announcement;
    this.#onChange = onChange;
  }

  /** Begins with the cached list; links are wanted from here on. */
  start(): void {
    const { membership, onApplied } = this.#core;
    membership.onChange((list) => this.#changed(list));
    if (membership.members().length > 0) this.#changed(membership.list());
    onApplied.set(SYSTEM, () => this.#refresh());
    this.#refresh();
    void this.#upkeep();
  }

  /** What this node says of itself is another now: the list is told. */
  announce(announcement: Announcement): void {
    this.#announcement = announcement;
    this.#announced = false;
    this.#timer?.cancel();
    void this.#upkeep();
  }

  /** Resolves once the list is there and names this node: from then on others can be invited. */
  get listed(): Promise<void> {
    return this.#listed.promise;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #refresh(): void {
    this.#core.membership.refresh().catch((error) => {
      if (this.#stopped) return;
      if (errorCodeOf(error) === undefined) this.#core.host.onFatal(error);
      else this.#core.host.logger.warn("member list not read", { reason: messageOf(error) });
    });
  }

  /** What must be on the list, however often it takes; then only the asking of nodes without `system`. */
  async #upkeep(): Promise<void> {
    try {
      if (this.#core.store !== null) await this.#record();
      else await this.#tell();
    } catch (error) {
      if (errorCodeOf(error) === undefined) return this.#core.host.onFatal(error);
      this.#core.host.logger.debug("not announced yet, will retry", { reason: messageOf(error) });
    }
    if (this.#stopped || (this.#core.store !== null && this.#announced)) return;
    const delayMs = this.#core.store === null ? ASK_INTERVAL_MS : RETRY_MS;
    this.#timer = this.#core.host.clock.after(delayMs, () => void this.#upkeep());
  }

  async #record(): Promise<void> {
    const { grant, host, membership, state, store } = this.#core;
    if (store === null) return;
    const founds = state.network.genesis.nodes.some((node) => node.id === grant.member);
    if (founds && (await store.readAll()) === null) {
      const { class: nodeClass, role, tier, member: id } = grant;
      const first = { id, class: nodeClass, role, tier, announcement: this.#announcement };
      await store.initialise([first], host.clock.wallMs());
    }
    await membership.refresh();
    const listed = membership.member(grant.member);
    if (listed === undefined) return;
    if (!this.#isKnown(listed))
      await store.announce(grant.member, this.#announcement, host.clock.wallMs());
    this.#announced = true;
  }

  /** Of a node that cannot write: a validator records it, and the list tells whether that came to pass. */
  async #tell(): Promise<void> {
    const { grant, membership, state } = this.#core;
    await membership.refresh();
    const listed = membership.member(grant.member);
    if (listed === undefined || this.#isKnown(listed)) return;
    const signed = signAnnouncement(state.key, state.network.id, this.#announcement);
    await askValidators(this.#core, ANNOUNCE_METHOD, signed);
  }

  #isKnown(listed: Member): boolean {
    const [known, said] = [encodeAnnouncement(listed), encodeAnnouncement(this.#announcement)];
    return Buffer.compare(known, said) === 0;
  }

  #changed(list: MemberList): void {
    const { grant, links, transport } = this.#core;
    const ids = new Set<NodeId>(list.members.map((member) => member.id));
    for (const { node } of transport.links()) {
      if (!ids.has(node) && list.revoked.some((one) => one.id === node)) {
        transport.cut(node, "it is no member any more");
      }
    }
    links.keep(ids);
    // An empty list is a start without a cache, not news worth keeping.
    if (ids.has(grant.member)) this.#cache(list);
    if (ids.has(grant.member)) this.#listed.resolve();
    this.#onChange();
  }

  /** Where the next start looks first; a full disk costs that start some time, and nothing else. */
  #cache(list: MemberList): void {
    const { directory, host } = this.#core;
    try {
      directory.write(MEMBERS_FILE, encodeMemberList(list));
    } catch (error) {
      if (errorCodeOf(error) !== "DISK_FULL") throw error;
      host.logger.warn("member list not kept", { reason: messageOf(error) });
    }
  }
}
