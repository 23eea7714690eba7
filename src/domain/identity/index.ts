export {
  KEY_SIZE_BYTES,
  type NodeKey,
  nodeIdOfPublicKey,
  nodeKeyFromSeed,
  publicKeyOfNodeId,
  SIGNATURE_SIZE_BYTES,
  sign,
  verify,
} from "./keys.ts";
