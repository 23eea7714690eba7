/**
 * Seeds that once failed, each with the bug it found; they run in every test run. A change of the plan or of the code
 * under test gives a seed another course: what stays is that they are many and have hit before.
 */

export interface FoundBug {
  readonly seed: number;
  readonly bug: string;
}

export const FOUND_BUGS: readonly FoundBug[] = [
  { seed: 12, bug: "two replacements of a database at once put an older state over a newer one" },
  { seed: 125, bug: "a replica without state of its own was asked for a snapshot" },
  { seed: 437, bug: "a voter was a quorum alone between two steps of weights" },
  { seed: 624, bug: "a replica that only no-ops had reached could not name its snapshot" },
  { seed: 5197, bug: "a replica fetched its copy twice at once" },
  { seed: 5394, bug: "a replica fetched its copy from one that was fetching its own" },
  {
    seed: 60945,
    bug: "a deposed leader answered from its old state with its successor's read index",
  },
  { seed: 9039, bug: "a leader that looked right after check-quorum took its learners for silent" },
  { seed: 12003, bug: "two voters with a short timeout stood together in every round" },
  { seed: 23, bug: "a change of members overtook the commit of the batch ahead of it" },
  { seed: 3, bug: "a joiner that asked twice was admitted and told that its token is used" },
  { seed: 91, bug: "a round of read index waited for a voter that had left" },
  { seed: 103, bug: "a node that led main was let go by system before it heard that it leaves" },
  {
    seed: 3087,
    bug: "the only voter of a group could not leave, because nobody was let in to learn",
  },
  {
    seed: 80828,
    bug: "a leader that took on a third voter never learned that one of two had been put back from a copy",
  },
  { seed: 81763, bug: "a candidate's vote requests left after an append had replaced its log" },
  {
    seed: 83098,
    bug: "a clock that leapt had all results forgotten at once: a retry was applied twice",
  },
  {
    seed: 55,
    bug: "a replica that was behind took a node for out of its group, and a miner asked a removed node for the list",
  },
  {
    seed: 80323,
    bug: "a leader of main that waited for a snapshot of system let a removed node back in",
  },
  {
    seed: 80547,
    bug: "a node that was out of system was let in again as a voter while it was being removed",
  },
  {
    seed: 81187,
    bug: "a new leader of main, whose list was behind, gave a vote to one who was off the list",
  },
  {
    seed: 101595,
    bug: "a replica that was installing a snapshot took the only voter of system for out of it: it was removed",
  },
  {
    seed: 100395,
    bug: "a node that was linked while another was being asked was asked for its records by chance only",
  },
  {
    seed: 81275,
    bug: "the own replica's list, behind after a power cut, replaced the cached one that knew who had moved",
  },
  {
    seed: 175,
    bug: "a power cut forgot where a linked node had just said it is",
  },
];
