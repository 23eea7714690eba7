/** Frames that wait to be sent on one link: three priorities, each bounded in count and bytes. */

import { BoundedQueue } from "../../base/index.ts";
import { type Frame, frameSizeBytes } from "../../domain/wire/index.ts";
import type { Priority } from "../../ports/index.ts";

export class SendQueue {
  readonly #queues: readonly [BoundedQueue<Frame>, BoundedQueue<Frame>, BoundedQueue<Frame>];
  /** The link's own small frames: few, and never refused. */
  #urgent: Frame[] = [];

  constructor(limits: { countMax: number; sizeBytesMax: number }) {
    this.#queues = [new BoundedQueue(limits), new BoundedQueue(limits), new BoundedQueue(limits)];
  }

  get sizeBytes(): number {
    const [first, second, third] = this.#queues;
    return first.sizeBytes + second.sizeBytes + third.sizeBytes;
  }

  get urgentCount(): number {
    return this.#urgent.length;
  }

  /** False, and the frame is not kept, when its priority's queue is full. */
  push(frame: Frame, priority: Priority): boolean {
    return this.#queues[priority].push(frame, frameSizeBytes(frame));
  }

  /** For handshakes, pings and failures: ahead of everything. The caller bounds their number. */
  pushUrgent(frame: Frame): void {
    this.#urgent.push(frame);
  }

  shift(): Frame | undefined {
    if (this.#urgent.length > 0) return this.#urgent.shift();
    const [first, second, third] = this.#queues;
    return first.shift() ?? second.shift() ?? third.shift();
  }

  clear(): void {
    for (const queue of this.#queues) queue.clear();
    this.#urgent = [];
  }
}
