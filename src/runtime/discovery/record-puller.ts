/**
 * Asks linked peers for the records they hold, one peer at a time: a new link at once, one that has not answered yet again
 * soon, and later each in its turn, so that without gossip every linked node is heard of in a bounded time.
 */

import type { NodeId } from "../../base/index.ts";
import type { Clock } from "../../ports/index.ts";
import type { LinkView } from "./parts.ts";
import { decodeBundle, type SporeBundle } from "./spore-bundle.ts";

export const RECORDS_METHOD = "spore/records";
const TIMEOUT_MS = 10_000;
/** Between pulls from peers that have answered since they were linked. */
const INTERVAL_MS = 60_000;

export class RecordPuller {
  readonly #links: LinkView;
  readonly #clock: Clock;
  readonly #take: (bundle: SporeBundle, from: NodeId) => void;
  /** Linked peers that were asked, the one asked longest ago first, and whether each has answered. */
  readonly #asked = new Map<NodeId, "silent" | "heard">();
  #isPulling = false;
  #pulledAtMs: number;

  constructor(
    { links, clock }: { readonly links: LinkView; readonly clock: Clock },
    take: (bundle: SporeBundle, from: NodeId) => void,
  ) {
    this.#links = links;
    this.#clock = clock;
    this.#take = take;
    this.#pulledAtMs = clock.monotonicMs();
  }

  /** Rejects as `LinkView.request` does, and with MALFORMED. */
  async linkUp(node: NodeId): Promise<void> {
    this.#asked.delete(node);
    await this.#pull(node);
  }

  /** To be called every few seconds. Rejects as `linkUp` does. */
  async pullIfDue(): Promise<void> {
    const linked = this.#links.linked();
    for (const node of this.#asked.keys()) if (!linked.includes(node)) this.#asked.delete(node);
    const nowMs = this.#clock.monotonicMs();
    const isTurn = nowMs - this.#pulledAtMs >= INTERVAL_MS;
    if (isTurn) this.#pulledAtMs = nowMs;
    const due = isTurn ? linked : linked.filter((node) => this.#asked.get(node) !== "heard");
    const unasked = due.find((node) => !this.#asked.has(node));
    const node = unasked ?? [...this.#asked.keys()].find((each) => due.includes(each));
    if (node !== undefined) await this.#pull(node);
  }

  async #pull(node: NodeId): Promise<void> {
    if (this.#isPulling) return;
    this.#isPulling = true;
    try {
      this.#note(node, "silent");
      const reply = await this.#links.request(node, RECORDS_METHOD, new Uint8Array(0), TIMEOUT_MS);
      this.#note(node, "heard");
      this.#take(decodeBundle(reply), node);
    } finally {
      this.#isPulling = false;
    }
  }

  #note(node: NodeId, how: "silent" | "heard"): void {
    this.#asked.delete(node);
    this.#asked.set(node, how);
  }
}
