/** One shard on one node: its loop, its router for users, its server for other replicas, its checkpoints. */

import type { NodeId } from "../../base/index.ts";
import type { ShardPosition, SqlService, StateMachine, Timer } from "../../ports/index.ts";
import type { ShardOptions } from "./options.ts";
import type { ComparisonState } from "./replica-comparison.ts";
import { ShardRouter } from "./router.ts";
import { ShardLoop } from "./shard-loop.ts";
import { ShardServer } from "./shard-server.ts";
import type { StoreStatus } from "./store-status.ts";

export class Shard {
  /** What consensus drives. */
  readonly stateMachine: StateMachine;
  /** What gateways and the agent use. */
  readonly service: SqlService;
  readonly #options: ShardOptions;
  readonly #loop: ShardLoop;
  readonly #server: ShardServer;
  #timer: Timer | null = null;
  #stopped = false;

  /** `position` is what `ShardDatabase.open` said. */
  constructor(options: ShardOptions, position: ShardPosition) {
    this.#options = options;
    this.#loop = new ShardLoop(options, position);
    this.#server = new ShardServer(options, this.#loop);
    this.stateMachine = this.#loop;
    this.service = new ShardRouter(options, this.#loop);
    this.#scheduleCheckpoint();
  }

  serves(method: string): boolean {
    return this.#server.serves(method);
  }

  handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    return this.#server.handle(from, method, payload);
  }

  status(): StoreStatus {
    return this.#loop.status();
  }

  /** Replaces a database that cannot be used by another replica's copy; resolves when it is in place. */
  resync(reason: string): Promise<void> {
    return this.#loop.resync(reason);
  }

  /** Nothing can replace a database that lost its content: says so in the status, and refuses writes. */
  keepDamaged(reason: string): void {
    this.#loop.keepDamaged(reason);
  }

  /** On the leader: whether `node` holds what the majority holds. Comparing begins when it is first asked on an occasion. Throws NOT_LEADER. */
  compare(node: NodeId, occasion: string): ComparisonState {
    return this.#loop.checks.compare(node, occasion);
  }

  /** Stops taking part; the database stays open for its owner to close. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#loop.stop();
  }

  #scheduleCheckpoint(): void {
    this.#timer = this.#options.clock.after(this.#options.limits.checkpointMs, () => {
      this.#loop.checkpoint().then(
        () => {
          if (!this.#stopped) this.#scheduleCheckpoint();
        },
        (error) => {
          if (!this.#stopped) this.#options.onFatal(error);
        },
      );
    });
  }
}
