/**
 * The seed spore: a signed document in a place outside the network, written by the primary's leader. It holds the
 * proof that its writer led, and the records of the nodes, so that a node which knows nobody finds the others.
 */

import { assert, type NetworkId, type NodeId } from "../../base/index.ts";
import {
  deterministicCbor,
  type NodeKey,
  networkIdShape,
  nodeIdShape,
  publicKeyOfNodeId,
  sign,
  signedPartShape,
  tagged,
  timeShape,
  verify,
} from "../identity/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  list,
  malformed,
  mapped,
  object,
  type Shape,
} from "../wire/index.ts";
import { SIGNED_RECORD_BYTES_MAX } from "./node-record.ts";
import {
  decodePrimaryProof,
  encodePrimaryProof,
  PROOF_BYTES_MAX,
  type PrimaryProof,
  type ProofContext,
  verifyPrimaryProof,
} from "./primary-proof.ts";

export interface SeedSpore {
  readonly networkId: NetworkId;
  /** The leader that the proof names. */
  readonly writer: NodeId;
  readonly issuedAtMs: number;
  readonly proof: PrimaryProof;
  /** Encoded signed records, each checked by itself. */
  readonly records: readonly Uint8Array[];
}

export const SEED_BYTES_MAX = 4 << 20;
/** More nodes than a newcomer needs to find the rest. */
export const SEED_RECORDS_MAX = 1_000;
const PURPOSE = "seed spore";

const contentShape = object({
  networkId: networkIdShape,
  writer: nodeIdShape,
  issuedAtMs: timeShape,
  proof: bytes(PROOF_BYTES_MAX),
  records: list(
    mapped(bytes(SIGNED_RECORD_BYTES_MAX), (view) => view.slice()),
    SEED_RECORDS_MAX,
  ),
});

export type SeedVerdict =
  | { readonly ok: true; readonly seed: SeedSpore }
  | { readonly ok: false; readonly reason: string };

/** Leaves out what does not fit SEED_BYTES_MAX: the last records. */
export function encodeSeedSpore(key: NodeKey, seed: SeedSpore): Uint8Array {
  assert(seed.writer === key.nodeId, "a seed is signed by the writer it names");
  const { networkId, writer, issuedAtMs } = seed;
  const proof = encodePrimaryProof(seed.proof);
  const records = fitting(seed.records, SEED_BYTES_MAX - proof.length - 4_096);
  const payload = deterministicCbor({ networkId, writer, issuedAtMs, proof, records });
  return encodeCbor({ payload, signature: sign(key, tagged(PURPOSE, payload)) });
}

/**
 * Throws MALFORMED on bytes that are no seed; a seed that proves nothing is refused with the reason. `meet` is given
 * its records before the proof is judged: a node that was away for long may know those who signed it from there only.
 */
export function openSeedSpore(
  encoded: Uint8Array,
  context: ProofContext,
  meet: (records: readonly Uint8Array[], issuedAtMs: number) => void = () => {},
): SeedVerdict {
  if (encoded.length > SEED_BYTES_MAX) throw malformed("seed", "a shorter document", encoded);
  const part = seedShape(decodeCbor(encoded), "seed");
  const content = contentShape(decodeCbor(part.payload), "seed");
  const publicKey = publicKeyOfNodeId(content.writer);
  if (content.networkId !== context.networkId) return refused("it is of another network");
  const message = tagged(PURPOSE, part.payload);
  if (publicKey === null || !verify(publicKey, message, part.signature)) {
    return refused("its writer has not signed it");
  }
  meet(content.records, content.issuedAtMs);
  const proof = decodePrimaryProof(content.proof);
  if (proof.statement.leader !== content.writer) return refused("its writer did not lead");
  const verdict = verifyPrimaryProof(proof, context);
  return verdict.ok ? { ok: true, seed: { ...content, proof } } : refused(verdict.reason);
}

const seedShape: Shape<{ readonly payload: Uint8Array; readonly signature: Uint8Array }> =
  signedPartShape(SEED_BYTES_MAX);

function fitting(records: readonly Uint8Array[], sizeBytesMax: number): readonly Uint8Array[] {
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  for (const record of records.slice(0, SEED_RECORDS_MAX)) {
    sizeBytes += record.length + 8;
    if (sizeBytes > sizeBytesMax) break;
    kept.push(record);
  }
  return kept;
}

function refused(reason: string): SeedVerdict {
  return { ok: false, reason };
}
