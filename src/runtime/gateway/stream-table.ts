/**
 * The streams that have state between two HTTP requests: each is taken by its baton, used by one request at a time,
 * and closed when it hears nothing for too long. Streams without state are not kept at all.
 */

import { assert } from "../../base/index.ts";
import type { Clock, Logger, SqlService, Timer } from "../../ports/index.ts";
import type { GatewayRole } from "./authorization.ts";
import { BatonCodec } from "./batons.ts";
import type { GatewayLimits } from "./options.ts";
import { HttpRefusal, RequestFailure } from "./refusal.ts";
import { SqlStream, type StreamRoom } from "./stream.ts";

interface Entry {
  readonly stream: SqlStream;
  sequence: number;
  /** Infinite while a request uses it. */
  expiresAtMs: number;
}

export interface StreamTableOptions {
  readonly sql: SqlService;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly secret: Uint8Array;
  readonly limits: GatewayLimits;
}

/** A stream while one request uses it. */
export interface TakenStream {
  readonly stream: SqlStream;
  /** 0 when it is not in the table. */
  readonly id: number;
}

export class StreamTable {
  readonly #options: StreamTableOptions;
  readonly #batons: BatonCodec;
  readonly #entries = new Map<number, Entry>();
  readonly #room: StreamRoom;
  #roomTaken = 0;
  #lastId = 0;
  #lastFreeSequence = 0;
  #timer: Timer | null = null;

  constructor(options: StreamTableOptions) {
    this.#options = options;
    this.#batons = new BatonCodec(options.secret);
    this.#room = { take: () => this.#takeRoom(), giveBack: () => this.#roomTaken-- };
  }

  /** Streams with state. */
  get count(): number {
    return this.#roomTaken;
  }

  /** The stream of a baton, or a new one. Throws HttpRefusal 400 on a baton that is not good any more. */
  take(baton: string | null, role: GatewayRole): TakenStream {
    if (baton === null) return this.#fresh(role);
    const decoded = this.#batons.decode(baton);
    if (decoded === null) {
      throw new HttpRefusal(400, "BATON_INVALID", "Cannot find the stream: its baton is invalid");
    }
    if (decoded.stream === 0) return this.#fresh(role);
    const entry = this.#entries.get(decoded.stream);
    if (entry === undefined) {
      throw new HttpRefusal(
        400,
        "STREAM_EXPIRED",
        "Cannot find the stream: it was closed or expired due to inactivity; open another",
      );
    }
    if (entry.sequence !== decoded.sequence) {
      throw new HttpRefusal(
        400,
        "BATON_REUSED",
        "Cannot use the stream: its baton was used already; wait for each answer and send the baton it brings",
      );
    }
    if (entry.stream.role !== role) {
      throw new HttpRefusal(403, "FORBIDDEN", "Cannot use the stream: another token opened it");
    }
    entry.sequence++;
    entry.expiresAtMs = Number.POSITIVE_INFINITY;
    return { stream: entry.stream, id: decoded.stream };
  }

  /** Keeps the stream for its next request and returns the baton. */
  keep({ stream, id }: TakenStream): string {
    stream.giveRoomBack();
    if (!stream.hasState) {
      this.#entries.delete(id);
      return this.#batons.encode({ stream: 0, sequence: ++this.#lastFreeSequence });
    }
    const { clock, limits } = this.#options;
    const expiresAtMs = clock.monotonicMs() + limits.streamIdleMs;
    const known = this.#entries.get(id);
    const entry = known ?? { stream, sequence: 1, expiresAtMs };
    entry.expiresAtMs = expiresAtMs;
    const key = known === undefined ? ++this.#lastId : id;
    if (known === undefined) this.#entries.set(key, entry);
    this.#armTimer();
    return this.#batons.encode({ stream: key, sequence: entry.sequence });
  }

  /** Closes the stream of a request that is over. */
  async drop({ stream, id }: TakenStream): Promise<void> {
    this.#entries.delete(id);
    await stream.close();
  }

  async closeAll(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const streams = [...this.#entries.values()].map(({ stream }) => stream);
    this.#entries.clear();
    await Promise.all(streams.map((stream) => stream.close()));
  }

  #fresh(role: GatewayRole): TakenStream {
    const { sql, limits } = this.#options;
    return { stream: new SqlStream(role, sql, limits, this.#room), id: 0 };
  }

  #takeRoom(): void {
    const { streamCountMax } = this.#options.limits;
    if (this.#roomTaken >= streamCountMax) {
      throw new RequestFailure(
        "OVERLOADED",
        `Cannot open another stream: ${streamCountMax} are open; close some or try again later`,
      );
    }
    this.#roomTaken++;
  }

  #armTimer(): void {
    if (this.#timer !== null) return;
    const { clock, limits } = this.#options;
    this.#timer = clock.after(limits.streamIdleMs / 4, () => {
      this.#timer = null;
      this.#expire(clock.monotonicMs());
      if (this.#entries.size > 0) this.#armTimer();
    });
  }

  #expire(nowMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.expiresAtMs > nowMs) continue;
      assert(this.#entries.delete(id), "an expired stream is in the table");
      entry.stream.close().catch((error: unknown) => {
        this.#options.logger.warn("could not roll back the transaction of an expired stream", {
          error: String(error),
        });
      });
    }
  }
}
