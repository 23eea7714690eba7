/** Outgoing dials: when each is due, how long TCP may take, and what follows a failure. */

import { MyceliumError, type NodeId } from "../../base/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import type { Connection } from "./connection.ts";
import type { LinkHandshake } from "./link-handshake.ts";
import type { LinkLimits } from "./link-options.ts";
import { dialLink, type SocketContext } from "./link-sockets.ts";
import type { LinkTraffic } from "./link-traffic.ts";
import type { DialAttempt, Peer } from "./peer.ts";

export interface DiallerContext {
  readonly limits: LinkLimits;
  readonly sockets: SocketContext;
  readonly traffic: LinkTraffic;
  readonly logger: Logger;
  readonly clock: Clock;
  /** A dial may be due. */
  due(): void;
  /** Sockets in use, dials in TCP not counted. */
  connectionCount(): number;
  handshake(connection: Connection, expected: NodeId): LinkHandshake;
}

export class LinkDialler {
  readonly #context: DiallerContext;
  /** Dials that wait for TCP. */
  #connecting = 0;

  constructor(context: DiallerContext) {
    this.#context = context;
  }

  dialDue(peers: Iterable<Peer>, nowMs: number): void {
    const { limits, connectionCount } = this.#context;
    for (const peer of peers) {
      const address = peer.dueAddress(nowMs);
      if (address === null) continue;
      if (connectionCount() + this.#connecting >= limits.connectionCountMax) return;
      this.#dial(peer, address, nowMs);
    }
  }

  cancel(peer: Peer): void {
    const dial = peer.dial;
    peer.dial = null;
    dial?.cancel();
  }

  failed(peer: Peer, error: MyceliumError): void {
    const { traffic, logger, sockets } = this.#context;
    traffic.retry();
    if (error.code === "STATE_COPIED" && peer.lastError?.code !== "STATE_COPIED") {
      logger.error("another process runs with this node's id", { peer: peer.node });
    }
    peer.dialFailed(error, sockets.nowMs());
    this.plan(peer);
  }

  /** Calls back when the peer's next dial is due, rather than at the next tick. */
  plan(peer: Peer): void {
    const { clock, sockets, due } = this.#context;
    if (peer.wanted) clock.after(Math.max(0, peer.nextDialMs - sockets.nowMs()), due);
  }

  /** Gives up dials whose TCP connection takes too long. */
  expire(peers: Iterable<Peer>, nowMs: number): void {
    for (const peer of peers) {
      const { dial } = peer;
      if (dial === null || dial.handshake !== null || nowMs < dial.deadlineMs) continue;
      this.cancel(peer);
      const message = `Cannot reach ${peer.node}: no answer to a TCP connection in time`;
      this.failed(peer, new MyceliumError("TIMEOUT", message));
    }
  }

  #dial(peer: Peer, address: string, nowMs: number): void {
    const { limits, sockets, handshake } = this.#context;
    const only = peer.addresses.length === 1;
    this.#connecting++;
    const dial = dialLink(
      address,
      sockets,
      (connection) => {
        this.#connecting--;
        attempt.handshake = handshake(connection, peer.node);
      },
      (error) => {
        this.#connecting--;
        if (peer.dial === attempt) this.failed(peer, error);
      },
    );
    const attempt: DialAttempt = {
      deadlineMs: nowMs + (only ? limits.dialTimeoutMs : limits.dialTimeoutManyMs),
      handshake: null,
      get secure() {
        return this.handshake?.secure ?? false;
      },
      cancel: () => {
        if (attempt.handshake !== null) {
          attempt.handshake.connection.terminate("dial cancelled", null);
          return;
        }
        this.#connecting--;
        dial.cancel();
      },
    };
    peer.dial = attempt;
  }
}
