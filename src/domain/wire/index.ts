export { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
export { Correlator } from "./correlator.ts";
export { decodeError, encodeError, isErrorCode } from "./error-codec.ts";
export {
  countedSizeMax,
  encodeFrame,
  FRAME_HEAD_SIZE_BYTES,
  FRAME_KIND,
  FRAME_NAME_LENGTH_MAX,
  type Frame,
  frameSizeBytes,
  parseFrame,
  writeFrameHead,
} from "./frame.ts";
export { FrameDecoder } from "./frame-decoder.ts";
export {
  decodeHello,
  encodeHello,
  GRANT_SIZE_BYTES_MAX,
  HELLO_SIZE_BYTES_MAX,
  type Hello,
} from "./hello.ts";
export {
  ISOLATION_KEY_SIZE_BYTES,
  makeIsolationProof,
  PROOF_NONCE_SIZE_BYTES,
  PROOF_SIZE_BYTES,
  PROOF_WINDOW_MINUTES,
  ProofChecker,
  type ProofContext,
} from "./isolation-proof.ts";
export {
  agreeOnProtocol,
  FEATURE_NAMES,
  MIN_PROTOCOL_VERSION,
  OWN_FEATURES,
  PROTOCOL_VERSION,
  type ProtocolAgreement,
  type ProtocolOffer,
} from "./protocol-version.ts";
export {
  bytes,
  finite,
  flag,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  type TypeOf,
  text,
} from "./shape.ts";
