/** Discovery: node records as they are gossiped, primary proofs, the seed's file, the cache and answer to a pull. */

import {
  decodePrimaryProof,
  decodePrimaryStatement,
  decodeProofSignature,
  decodeSignedRecord,
  encodePrimaryProof,
  encodePrimaryStatement,
  encodeProofSignature,
  encodeSeedSpore,
  encodeSignedRecord,
  openSeedSpore,
  type ProofContext,
  recordSignatureHolds,
  signPrimaryStatement,
  verifyPrimaryProof,
} from "../../../src/domain/spore/index.ts";
import {
  BUNDLE_BYTES_MAX,
  decodeBundle,
  encodeBundle,
} from "../../../src/runtime/discovery/spore-bundle.ts";
import type { Sample } from "../sample.ts";
import { leader, NOW_MS, network, second, world } from "./world.ts";

const CONTEXT: ProofContext = { networkId: network.id, nowMs: NOW_MS, mayVote: () => true };
const STATEMENT = world.statement();
const PROOF = world.proof(STATEMENT, [leader, second]);
const RECORD = world.signed(leader, { sequence: 2 ** 33 });

export const sporeSamples: readonly Sample[] = [
  {
    name: "node record",
    form: "cbor",
    writers: [
      "domain/spore/node-record.ts encodeSignedRecord",
      "domain/spore/node-record.ts signRecord",
    ],
    write: () => encodeSignedRecord(RECORD),
    read: (bytes) => {
      const signed = decodeSignedRecord(bytes);
      return { ...signed, isSigned: recordSignatureHolds(signed) };
    },
  },
  {
    name: "primary statement",
    form: "cbor",
    writers: ["domain/spore/primary-proof.ts encodePrimaryStatement"],
    write: () => encodePrimaryStatement(STATEMENT),
    read: decodePrimaryStatement,
  },
  {
    name: "signature of a primary proof",
    form: "cbor",
    writers: [
      "domain/spore/primary-proof.ts encodeProofSignature",
      "domain/spore/primary-proof.ts signPrimaryStatement",
    ],
    write: () => encodeProofSignature(signPrimaryStatement(second, PROOF.payload)),
    read: decodeProofSignature,
  },
  {
    name: "primary proof",
    form: "cbor",
    writers: ["domain/spore/primary-proof.ts encodePrimaryProof"],
    write: () => encodePrimaryProof(PROOF),
    read: (bytes) => {
      const proof = decodePrimaryProof(bytes);
      return { proof, verdict: verifyPrimaryProof(proof, CONTEXT) };
    },
  },
  {
    name: "seed spore",
    form: "cbor",
    writers: ["domain/spore/seed-spore.ts encodeSeedSpore"],
    write: () =>
      encodeSeedSpore(leader, {
        networkId: network.id,
        writer: leader.nodeId,
        issuedAtMs: NOW_MS,
        proof: PROOF,
        records: [encodeSignedRecord(RECORD)],
      }),
    read: (bytes) => openSeedSpore(bytes, CONTEXT),
  },
  {
    name: "bundle of spores",
    form: "cbor",
    writers: ["runtime/discovery/spore-bundle.ts encodeBundle"],
    write: () => {
      const records = [{ record: encodeSignedRecord(RECORD), seenAtMs: NOW_MS }];
      return encodeBundle({ records, proof: encodePrimaryProof(PROOF) }, BUNDLE_BYTES_MAX);
    },
    read: decodeBundle,
  },
];
