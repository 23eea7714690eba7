export { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
export { Correlator } from "./correlator.ts";
export { decodeError, encodeError, isErrorCode } from "./error-codec.ts";
export {
  encodeFrame,
  FRAME_HEAD_SIZE_BYTES,
  FRAME_KIND,
  FRAME_NAME_LENGTH_MAX,
  type Frame,
  frameSizeBytes,
  writeFrameHead,
} from "./frame.ts";
export { FrameDecoder } from "./frame-decoder.ts";
export {
  decodeHello,
  encodeHello,
  HELLO_SIZE_BYTES_MAX,
  type Hello,
} from "./hello.ts";
export {
  makeIsolationProof,
  PROOF_NONCE_SIZE_BYTES,
  ProofChecker,
  type ProofContext,
} from "./isolation-proof.ts";
export {
  agreeOnProtocol,
  MIN_PROTOCOL_VERSION,
  OWN_FEATURES,
  PROTOCOL_VERSION,
  releasesApart,
} from "./protocol-version.ts";
export {
  added,
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
