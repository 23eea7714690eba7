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
