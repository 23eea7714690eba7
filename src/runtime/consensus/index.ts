/**
 * How to drive it: `new Consensus(options)`, `await start()` (opens the log; tells the groups it holds), for each group
 * that is not there `await bootstrap(group, configuration)` (founders, all with the same configuration) or
 * `await joinEmpty(group)` (everyone else), then `await open({ group, replica, installed, makeStateMachine })`. Give
 * frames of the channel `RAFT_CHANNEL` to `receive`, those of `PROMISES_CHANNEL` and new links to `promises`, lost
 * links to `linkDown`. The leader admits a replica with
 * `changeMembers`. `await stop()` hands leadership over. Time passes only through the Clock port, turns are
 * microtasks, so that one seed replays a run.
 */
export { Consensus, type OpenGroup } from "./consensus.ts";
export {
  CONSENSUS_SETTINGS,
  type ConsensusOptions,
  type ConsensusSettings,
  type FrameSender,
} from "./options.ts";
export { RAFT_CHANNEL } from "./outbox.ts";
export { PROMISES_CHANNEL } from "./promise-exchange.ts";
export type { ConsensusStatus, GroupStatus, MemberStatus, PeerProgress } from "./status.ts";
