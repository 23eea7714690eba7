/** What a turn has to say to other nodes: one frame each, for all groups. */

import { type GroupId, type NodeId, nodeOfReplica } from "../../base/index.ts";
import type { Message } from "../../domain/raft/index.ts";
import { FrameWriter } from "./frame.ts";
import type { FrameSender } from "./options.ts";

export const RAFT_CHANNEL = "raft";
const NO_NODES: readonly NodeId[] = [];

export class Outbox {
  readonly #sender: FrameSender;
  readonly #writers = new Map<NodeId, FrameWriter>();
  #isEmpty = true;

  constructor(sender: FrameSender) {
    this.#sender = sender;
  }

  add(group: GroupId, message: Message): void {
    const to = nodeOfReplica(message.to);
    let writer = this.#writers.get(to);
    if (writer === undefined) {
      writer = new FrameWriter();
      this.#writers.set(to, writer);
    }
    writer.add(group, message);
    this.#isEmpty = false;
  }

  /** Sends all there is; the nodes for which something was dropped. */
  send(): readonly NodeId[] {
    if (this.#isEmpty) return NO_NODES;
    this.#isEmpty = true;
    const unreachable: NodeId[] = [];
    for (const [node, writer] of this.#writers) {
      const isSent = writer
        .takeFrames()
        .every((frame) => this.#sender.send(node, RAFT_CHANNEL, frame, 0));
      if (!isSent) unreachable.push(node);
    }
    return unreachable;
  }
}
