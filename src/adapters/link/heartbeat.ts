/**
 * When to ping a link, when to give it up, and its smoothed round trip (RFC 6298's gain of 1/8). Pure. A peer that is
 * heard anyway is pinged rarely: who is pinged hears the other, so that of two idle nodes mostly one asks.
 */

export type HeartbeatStep = "wait" | "ping" | "lost";

const SMOOTHING = 1 / 8;
/** A peer that is heard is pinged once in so many intervals, for its round trip. */
const HEARD_INTERVALS = 10;

export class Heartbeat {
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #lastPingMs: number;
  /** Of the ping that has no answer yet. */
  #pendingId: number | null = null;
  #lastId = 0;
  #roundTripMs: number | null = null;

  constructor(intervalMs: number, timeoutMs: number, nowMs: number) {
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    // The first ping goes at once: a link has a round trip as soon as it is up.
    this.#lastPingMs = nowMs - HEARD_INTERVALS * intervalMs;
  }

  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** `aliveMs` is when the peer last showed any life. "lost" when it showed none for the timeout after a ping. */
  step(nowMs: number, aliveMs: number): HeartbeatStep {
    if (
      this.#pendingId !== null &&
      nowMs - Math.max(this.#lastPingMs, aliveMs) >= this.#timeoutMs
    ) {
      return "lost";
    }
    if (this.#pendingId !== null) return "wait";
    const pingAgeMs = nowMs - this.#lastPingMs;
    const silentMs = Math.min(pingAgeMs, nowMs - aliveMs);
    const isDue = silentMs >= this.#intervalMs || pingAgeMs >= HEARD_INTERVALS * this.#intervalMs;
    return isDue ? "ping" : "wait";
  }

  /** The id to send the ping under. */
  pinged(nowMs: number): number {
    this.#lastId = (this.#lastId + 1) >>> 0;
    this.#pendingId = this.#lastId;
    this.#lastPingMs = nowMs;
    return this.#lastId;
  }

  ponged(id: number, nowMs: number): void {
    if (id !== this.#pendingId) return;
    this.#pendingId = null;
    const tookMs = nowMs - this.#lastPingMs;
    const smoothed = this.#roundTripMs;
    this.#roundTripMs = smoothed === null ? tookMs : smoothed + SMOOTHING * (tookMs - smoothed);
  }

  /** This process stood still for `stoodMs`: the peer gets that time on top. */
  excuse(stoodMs: number): void {
    this.#lastPingMs += stoodMs;
  }
}
