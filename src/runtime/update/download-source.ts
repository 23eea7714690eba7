/** One source of chunks, a peer or the origin, as a download judges it. */

import { errorCodeOf, messageOf } from "../../base/index.ts";

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 16_000;

export class DownloadSource {
  /** Requests under way. */
  inFlight = 0;
  lastError: string | null = null;
  #isBad = false;
  #failures = 0;
  #pausedUntilMs = 0;

  /** Whether it may be asked now. */
  isUsable(nowMs: number): boolean {
    return !this.#isBad && nowMs >= this.#pausedUntilMs;
  }

  get isBad(): boolean {
    return this.#isBad;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** It served what is not the chunk: it is asked no more in this download. */
  servedBad(): void {
    this.#isBad = true;
    this.lastError = "it served a bad chunk";
  }

  /** It refused, or did not answer: it is asked again later, ever later. One that is only busy, soon. */
  failed(error: unknown, nowMs: number): void {
    this.lastError = messageOf(error);
    if (errorCodeOf(error) !== "OVERLOADED") this.#failures++;
    const pauseMs = PAUSE_FIRST_MS * 2 ** this.#failures;
    this.#pausedUntilMs = nowMs + Math.min(PAUSE_MAX_MS, pauseMs);
  }
}
