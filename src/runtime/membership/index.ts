export { openAnnouncement, signAnnouncement } from "./announcement-statement.ts";
export {
  decideReplicas,
  type PlacementInput,
  takesPart,
} from "./decide-replicas.ts";
export { decodeEnrolRequest, ENROL_REPLY_SIZE_BYTES_MAX } from "./enrol-message.ts";
export { Enrolment, type EnrolmentOptions } from "./enrolment.ts";
export { createInvite, type Invite, type InviteOptions, type InviteRequest } from "./invite.ts";
export {
  buildEnrolRequest,
  type Enrolled,
  type JoinOptions,
  openEnrolReply,
  type PendingEnrolment,
} from "./join-request.ts";
export {
  type Announcement,
  decodeMemberList,
  encodeAnnouncement,
  encodeMemberList,
  type Member,
  type MemberList,
  type RevokedNode,
} from "./member.ts";
export { MemberStore, type MemberStoreOptions, type NewMember } from "./member-store.ts";
export { Membership, type MembershipOptions } from "./membership.ts";
