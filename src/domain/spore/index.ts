export {
  type ActivityPeriod,
  beginActivity,
  continueActivity,
  FLAP_GAP_MS,
  PERIODS_MAX,
} from "./activity.ts";
export {
  type Authority,
  type Claim,
  compareClaims,
  orderClaims,
  provenAuthority,
} from "./authority.ts";
export {
  checkEntry,
  type EntryCheck,
  type EntryContext,
  type EntryVerdict,
  isNewer,
} from "./entry-check.ts";
export { type LatentEntry, LatentMap, RECORD_LIFE_MS } from "./latent-map.ts";
export {
  type Capabilities,
  decodeSignedRecord,
  encodeSignedRecord,
  type NodeRecord,
  recordSignatureHolds,
  SIGNED_RECORD_BYTES_MAX,
  type SignedRecord,
  signRecord,
} from "./node-record.ts";
export {
  compareProofs,
  decodePrimaryProof,
  decodePrimaryStatement,
  decodeProofSignature,
  encodePrimaryProof,
  encodePrimaryStatement,
  encodeProofSignature,
  PROOF_BYTES_MAX,
  PROOF_FRESH_MS,
  PROOF_INTERVAL_MS,
  type PrimaryProof,
  type PrimaryStatement,
  type ProofContext,
  type ProofSignature,
  type ProofVerdict,
  STATEMENT_BYTES_MAX,
  signPrimaryStatement,
  verifyPrimaryProof,
} from "./primary-proof.ts";
export {
  encodeSeedSpore,
  openSeedSpore,
  SEED_BYTES_MAX,
  SEED_RECORDS_MAX,
  type SeedSpore,
  type SeedVerdict,
} from "./seed-spore.ts";
export {
  compareSides,
  type Side,
  type WriteReadiness,
  writeReadiness,
} from "./write-readiness.ts";
