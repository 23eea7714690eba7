/** Node ids as people type them: whole, or the last letters that status shows, where they are unique. */

import { asNodeId, MyceliumError, type NodeId } from "../base/index.ts";
import type { Status } from "../domain/api/index.ts";

const LETTERS_MIN = 4;

/** Throws BAD_ARGUMENT, beginning with "Cannot ACTION". */
export function wholeNodeId(typed: string, status: Status, action: string): NodeId {
  const wanted = typed.replace(/^…/, "");
  const ids = [status.node.id, ...status.peers.map(({ id }) => id)];
  const [found, ...others] = ids.includes(asNodeId(wanted))
    ? [asNodeId(wanted)]
    : ids.filter((id) => wanted.length >= LETTERS_MIN && id.endsWith(wanted));
  if (found !== undefined && others.length === 0) return found;
  const problem = found === undefined ? "no node has that id" : "several nodes' ids end so";
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot ${action} the node "${typed}": ${problem}; \`mycelium node list\` shows the ids`,
  );
}
