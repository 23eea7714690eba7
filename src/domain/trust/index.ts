export {
  CERTIFICATE_SIZE_BYTES_MAX,
  type Certificate,
  type CertificateRules,
  type CertificateVerdict,
  certificateOf,
  decodeCertificate,
  encodeCertificate,
  verifyCertificate,
} from "./certificate.ts";
export {
  Decision,
  type Equivocation,
  type Outcome,
  type Part,
  type ParticipantPart,
} from "./decision.ts";
export { DecisionLog, type LoggedStatement } from "./decision-log.ts";
export {
  commitmentOf,
  type DecisionKind,
  type DecisionStatement,
  type DecisionValue,
  type OpenStatement,
  openStatement,
  type RevealStatement,
  saltOf,
  signStatement,
} from "./decision-statement.ts";
export {
  type DecisionBound,
  decisionBound,
  decisionParticipants,
  type Participant,
} from "./decision-weights.ts";
export { type Decider, frozenProblem } from "./frozen-participants.ts";
export { VALIDATOR_WEIGHT_MAX, voteWeight } from "./vote-weight.ts";
export { type Following, type Missing, WithheldCommits } from "./withheld-commits.ts";
export {
  decodeSaid,
  encodeSaid,
  openCommit,
  openWithheld,
  signWithheld,
} from "./withheld-statement.ts";
