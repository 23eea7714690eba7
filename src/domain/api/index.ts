/**
 * What the agent's local API says. The command line of one release asks the agent of another: before a restart, and
 * while a new core is on trial. So, from release 0.1.0 on:
 *
 * - A field of an answer is never renamed, removed or given another meaning. A new one is `added(shape, before)`, with
 *   what its absence means, or `optional`. Unknown fields are dropped by whoever does not know them.
 * - A `oneOf` of an answer gets no new words, which an older reader would refuse: what may grow is `text`.
 * - A field of a request that must not be overlooked goes to a new path: an older agent says 404 to it.
 *
 * test/compatibility reads the answers of every release with the shapes of today.
 */

export { BUILT_AT_MS, TRUSTED_ROOT, VERSION } from "./build-info.ts";
export {
  API_ANSWER_SIZE_MAX,
  API_BODY_SIZE_MAX,
  type ConfigView,
  configViewShape,
  errorAnswerShape,
  type LeaveAnswer,
  type LeaveRequest,
  leaveAnswerShape,
  leaveRequestShape,
  type RemoveAnswer,
  removeAnswerShape,
  type SqlTokenAnswer,
  type SqlTokenRequest,
  type StopAnswer,
  sqlTokenAnswerShape,
  sqlTokenRequestShape,
  stopAnswerShape,
  type TokenAnswer,
  type TokenRequest,
  tokenAnswerShape,
  tokenRequestShape,
} from "./requests.ts";
export { localSocketPath } from "./socket.ts";
export {
  type GroupStatus,
  type NodeState,
  type PeerStatus,
  type Problem,
  problemShape,
  type Status,
  statusShape,
} from "./status.ts";
export {
  type UpdateApproveRequest,
  type UpdatePlanRequest,
  type UpdateRollbackRequest,
  type UpdateStatus,
  updateApproveRequestShape,
  updatePlanRequestShape,
  updateRollbackRequestShape,
  updateStatusShape,
} from "./update.ts";
