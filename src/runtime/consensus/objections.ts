/** What a leader makes may be wrong in the eyes of its followers' state machines: then they do not store it. */

import { nodeOfReplica } from "../../base/index.ts";
import type { Append } from "../../domain/raft/index.ts";
import type { StateMachine } from "../../ports/index.ts";

/**
 * The append as far as nothing speaks against it: the rest is as good as lost on the way, which Raft bears. What is
 * settled is never left out, so that a replica can follow whatever the others have decided.
 */
export function unobjected(
  append: Append,
  objection: NonNullable<StateMachine["objection"]>,
  tell: (why: string) => void,
): Append {
  const from = nodeOfReplica(append.from);
  const at = append.entries.findIndex(({ index, kind, payload, term }) => {
    if (kind !== "command") return false;
    const isSettled = index <= append.commit || term !== append.term;
    const why = objection(from, payload, isSettled);
    if (why === null || isSettled) return false;
    tell(why);
    return true;
  });
  return at < 0 ? append : { ...append, entries: append.entries.slice(0, at) };
}
