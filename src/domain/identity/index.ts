export { type DocumentValue, deterministicCbor } from "./deterministic-cbor.ts";
export {
  classAllowsRole,
  type NodeClass,
  type NodeRole,
  networkIdShape,
  nodeClassShape,
  nodeIdShape,
  nodeRoleShape,
  type SignedPart,
  signedPartShape,
  type TrustTier,
  tagged,
  tierShape,
  timeShape,
} from "./fields.ts";
export {
  createNetwork,
  decodeNetwork,
  GENESIS_SIZE_BYTES_MAX,
  type Genesis,
  type GenesisNode,
  genesisMember,
  type Network,
} from "./genesis.ts";
export {
  CLOCK_TOLERANCE_MS,
  decodeGrantChain,
  decodeGrantStatement,
  encodeGrantChain,
  GRANT_CHAIN_SIZE_BYTES_MAX,
  type Grant,
  type GrantChain,
  type GrantLink,
  type GrantStatement,
  type GrantVerdict,
  genesisGrantChain,
  signGrantStatement,
  verifyGrant,
  verifyVoucher,
} from "./grant.ts";
export { isolationKeyHash } from "./isolation.ts";
export {
  decodeJoinStatement,
  encodeJoinStatement,
  type JoinStatement,
  joinStatementSignedBy,
  signJoinStatement,
} from "./join-statement.ts";
export {
  decodeJoinToken,
  encodeJoinToken,
  type JoinToken,
  TOKEN_ADDRESSES_MAX,
} from "./join-token.ts";
export {
  KEY_SIZE_BYTES,
  type NodeKey,
  nodeIdOfPublicKey,
  nodeKeyFromSeed,
  publicKeyOfNodeId,
  SIGNATURE_SIZE_BYTES,
  sign,
  verify,
  verifyOfNode,
} from "./keys.ts";
export { BOX_OVERHEAD_BYTES, boxPublicKey, openBox, sealBox } from "./sealed-box.ts";
export {
  createSqlToken,
  type SqlTokenClaims,
  type SqlTokenContext,
  type SqlTokenMode,
  type SqlTokenVerdict,
  SqlTokenVerifier,
  verifySqlToken,
} from "./sql-token.ts";
export { decodeSs58, encodeSs58, type Ss58Address } from "./ss58.ts";
