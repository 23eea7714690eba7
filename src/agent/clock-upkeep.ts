/**
 * Asks peers for their clocks again when clocks do not fit together: machines without a clock of their own all start with
 * a wrong time, link, and are set right one after the other. Without it each would hold all others to be wrong, for as
 * long as the links last, and none would lead.
 */

import { errorCodeOf, messageOf, type NodeId } from "../base/index.ts";
import { timeShape } from "../domain/identity/index.ts";
import { decodeCbor, encodeCbor } from "../domain/wire/index.ts";
import type { Clock, Logger, Timer, Transport } from "../ports/index.ts";
import type { ClockCheck } from "./clock-check.ts";
import type { Answerer } from "./peer-requests.ts";

const CLOCK_METHOD = "members/clock";
const LOOK_INTERVAL_MS = 10_000;
const ASK_TIMEOUT_MS = 2_000;
/** A majority of so many says enough. */
const ASKED_MAX = 32;

export interface ClockUpkeepParts {
  readonly clocks: ClockCheck;
  readonly host: { readonly clock: Clock; readonly logger: Logger };
  readonly transport: Pick<Transport, "links" | "request">;
}

export class ClockUpkeep implements Answerer {
  readonly #parts: ClockUpkeepParts;
  #timer: Timer | null = null;

  constructor(parts: ClockUpkeepParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock } = this.#parts.host;
    this.#timer = clock.after(LOOK_INTERVAL_MS, () => {
      this.start();
      if (this.#parts.clocks.takeDoubt()) this.#askAll();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  serves(method: string): boolean {
    return method === CLOCK_METHOD;
  }

  handle(): Promise<Uint8Array> {
    return Promise.resolve(encodeCbor(this.#parts.host.clock.wallMs()));
  }

  #askAll(): void {
    const up = this.#parts.transport.links().filter(({ state }) => state === "up");
    for (const { node } of up.slice(0, ASKED_MAX)) void this.#ask(node);
  }

  /** One that does not answer, or is of an earlier version, is taken to be as it was. */
  async #ask(node: NodeId): Promise<void> {
    const { clocks, host, transport } = this.#parts;
    try {
      const answer = await transport.request(node, CLOCK_METHOD, new Uint8Array(0), ASK_TIMEOUT_MS);
      const wallMs = timeShape(decodeCbor(answer), "clock");
      const isUp = transport.links().some((link) => link.node === node && link.state === "up");
      if (isUp) clocks.note(node, wallMs);
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      host.logger.debug("clock not told", { node, reason: messageOf(error) });
    }
  }
}
