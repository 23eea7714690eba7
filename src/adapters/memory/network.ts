/**
 * The links between simulated nodes. Within a link and direction messages arrive in order or, from some point on, not
 * at all, as TCP gives them. A blocked direction holds what is sent until it opens again; blocked for long, the link
 * breaks. A link that breaks loses what is under way, or delivers it late, beside the link that follows. In the
 * hostile mode messages of one channel are besides lost, duplicated and reordered.
 */

import type { NodeId, Random } from "../../base/index.ts";
import type { PeerHello, TransportHandler } from "../../ports/index.ts";
import type { MemoryHost } from "./host.ts";
import type { Scheduler } from "./scheduler.ts";

/** A link blocked for this long is given up by its heartbeats. */
const LINK_TIMEOUT_MS = 3_000;

/** One running transport, as the network sees it. */
export interface Endpoint {
  readonly node: NodeId;
  readonly host: MemoryHost;
  readonly hello: PeerHello;
  readonly handler: TransportHandler;
  refuses(peer: NodeId): boolean;
  linked(link: Link, peer: PeerHello): void;
  unlinked(link: Link, reason: string): void;
}

/** What makes one channel's messages worse than TCP would. */
export interface Hostility {
  readonly channel: string;
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly delayMaxMs: number;
}

interface Direction {
  readonly from: Endpoint;
  readonly to: Endpoint;
  lastAtMs: number;
  inFlight: number;
  held: (() => void)[];
}

export interface Link {
  readonly id: number;
  readonly directions: readonly [Direction, Direction];
  isUp: boolean;
  /** After a break: whether what was under way still arrives. */
  deliversLate: boolean;
  /** The listener's side knows of it. */
  isAccepted: boolean;
}

export class MemoryNetwork {
  readonly scheduler: Scheduler;
  delayMinMs = 0.2;
  delayMaxMs = 2;
  hostility: Hostility | null = null;
  /** A direction of a link refuses messages beyond this many under way. */
  queueCountMax = 4_096;
  readonly #random: Random;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  readonly #links = new Map<string, Link>();
  readonly #blocked = new Set<string>();
  readonly #extraDelayMs = new Map<NodeId, number>();
  #linkCount = 0;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
    this.#random = scheduler.random.fork();
  }

  attach(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.node, endpoint);
  }

  /** The node's process is gone. Its peers see that at once (`isSilent` false) or by timeout. */
  detach(node: NodeId, isSilent: boolean): void {
    this.#endpoints.delete(node);
    for (const link of [...this.#links.values()]) {
      if (link.directions.some((direction) => direction.from.node === node)) {
        link.deliversLate = this.#random.below(2) === 0;
        this.#break(link, "the peer is gone", isSilent ? LINK_TIMEOUT_MS : 0);
      }
    }
  }

  linkOf(a: NodeId, b: NodeId): Link | undefined {
    return this.#links.get(pairKey(a, b));
  }

  /**
   * Makes a link if both sides are there and want each other; tells why not otherwise. Of the addresses
   * dialled one must be the listener's; a listener without any is found wherever it is.
   */
  connect(from: NodeId, to: NodeId, addresses: readonly string[]): string | null {
    if (this.linkOf(from, to) !== undefined) return null;
    const dialler = this.#endpoints.get(from);
    const listener = this.#endpoints.get(to);
    if (dialler === undefined || listener === undefined) return "connection refused";
    if (!listensAt(listener, addresses)) return "connection refused";
    if (this.isBlocked(from, to) || this.isBlocked(to, from)) return "no route";
    if (listener.host.isPaused || dialler.refuses(to) || listener.refuses(from)) return "refused";
    const admissions = [
      listener.handler.admit(dialler.hello),
      dialler.handler.admit(listener.hello),
    ];
    const refusal = admissions.find((admission) => !admission.ok);
    if (refusal !== undefined && !refusal.ok) return refusal.message;
    this.#establish(dialler, listener);
    return null;
  }

  block(from: NodeId, to: NodeId): void {
    if (this.isBlocked(from, to)) return;
    this.#blocked.add(`${from}>${to}`);
    const link = this.linkOf(from, to);
    if (link === undefined) return;
    this.scheduler.schedule(LINK_TIMEOUT_MS, () => {
      if (link.isUp && this.isBlocked(from, to)) this.#break(link, "heartbeats missed", 0);
    });
  }

  unblock(from: NodeId, to: NodeId): void {
    if (!this.#blocked.delete(`${from}>${to}`)) return;
    const direction = this.linkOf(from, to)?.directions.find((d) => d.from.node === from);
    if (direction === undefined) return;
    const { held } = direction;
    direction.held = [];
    for (const deliver of held) this.#deliverInOrder(direction, deliver);
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return this.#blocked.has(`${from}>${to}`);
  }

  /** All that a node sends and receives takes this much longer. */
  slow(node: NodeId, extraMs: number): void {
    this.#extraDelayMs.set(node, extraMs);
  }

  /** Breaks a link, as a reset would. */
  dropLink(a: NodeId, b: NodeId, deliversLate: boolean, reason = "connection reset"): void {
    const link = this.linkOf(a, b);
    if (link === undefined) return;
    link.deliversLate = deliversLate;
    this.#break(link, reason, 0);
  }

  /** False when the direction's queue is full. `channel` is null for requests and their answers. */
  transmit(link: Link, from: NodeId, channel: string | null, receive: () => void): boolean {
    const direction =
      link.directions[0].from.node === from ? link.directions[0] : link.directions[1];
    if (!link.isUp || direction.inFlight >= this.queueCountMax) return false;
    direction.inFlight++;
    // What comes before the handshake's end is of no link.
    const isEarly = () => direction === link.directions[0] && !link.isAccepted;
    const deliver = () => {
      if (!isEarly()) receive();
    };
    const arrive = () => {
      direction.inFlight--;
      if (link.isUp || link.deliversLate) deliver();
    };
    const hostility = this.hostility;
    if (hostility !== null && hostility.channel === channel) {
      this.#transmitHostile(direction, hostility, arrive, deliver);
    } else if (this.isBlocked(direction.from.node, direction.to.node)) {
      direction.held.push(arrive);
    } else {
      this.#deliverInOrder(direction, arrive);
    }
    return true;
  }

  /** One way's delay now. */
  delayMs(from: NodeId, to: NodeId): number {
    const spread = this.delayMaxMs - this.delayMinMs;
    const extra = (this.#extraDelayMs.get(from) ?? 0) + (this.#extraDelayMs.get(to) ?? 0);
    return this.delayMinMs + this.#random.float() * spread + extra;
  }

  #deliverInOrder(direction: Direction, deliver: () => void): void {
    const atMs = this.scheduler.nowMs + this.delayMs(direction.from.node, direction.to.node);
    direction.lastAtMs = Math.max(direction.lastAtMs, atMs);
    direction.to.host.enterAt(direction.lastAtMs, deliver);
  }

  #transmitHostile(
    direction: Direction,
    hostility: Hostility,
    arrive: () => void,
    deliver: () => void,
  ): void {
    const { from, to } = direction;
    const isLost = this.#random.float() < hostility.lossRate || this.isBlocked(from.node, to.node);
    if (isLost) {
      direction.inFlight--;
      return;
    }
    const lateness = () =>
      this.delayMs(from.node, to.node) + this.#random.float() ** 3 * hostility.delayMaxMs;
    to.host.enter(lateness(), arrive);
    if (this.#random.float() < hostility.duplicateRate) to.host.enter(lateness(), deliver);
  }

  #establish(dialler: Endpoint, listener: Endpoint): void {
    const way = (from: Endpoint, to: Endpoint): Direction => ({
      from,
      to,
      lastAtMs: 0,
      inFlight: 0,
      held: [],
    });
    const link: Link = {
      id: ++this.#linkCount,
      directions: [way(dialler, listener), way(listener, dialler)],
      isUp: true,
      isAccepted: false,
      deliversLate: false,
    };
    this.#links.set(pairKey(dialler.node, listener.node), link);
    // The listener's side hears of it first on its own wire, before what the dialler sends at once.
    const upAtMs = this.scheduler.nowMs + this.delayMs(dialler.node, listener.node);
    link.directions[0].lastAtMs = upAtMs;
    listener.host.enterAt(upAtMs, () => {
      if (!link.isUp) return;
      link.isAccepted = true;
      listener.linked(link, dialler.hello);
    });
    dialler.linked(link, listener.hello);
  }

  #break(link: Link, reason: string, seenAfterMs: number): void {
    if (!link.isUp) return;
    link.isUp = false;
    const [direction] = link.directions;
    this.#links.delete(pairKey(direction.from.node, direction.to.node));
    for (const end of [direction.from, direction.to]) {
      end.host.enter(seenAfterMs * this.#random.float(), () => end.unlinked(link, reason));
    }
  }
}

function listensAt({ hello }: Endpoint, addresses: readonly string[]): boolean {
  return (
    hello.addresses.length === 0 || hello.addresses.some((address) => addresses.includes(address))
  );
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
