/** One sample of everything that crosses nodes or processes, or stays on disk and is not in the state directories. */

import type { Sample } from "./sample.ts";
import { decisionSamples } from "./samples/decisions.ts";
import { identitySamples } from "./samples/identity.ts";
import { linkSamples } from "./samples/link.ts";
import { localApiSamples } from "./samples/local-api.ts";
import { membershipSamples } from "./samples/membership.ts";
import { sporeSamples } from "./samples/spores.ts";
import { storeSamples } from "./samples/store.ts";
import { updateSamples } from "./samples/updates.ts";

export const SAMPLES: readonly Sample[] = [
  ...linkSamples,
  ...identitySamples,
  ...sporeSamples,
  ...membershipSamples,
  ...storeSamples,
  ...decisionSamples,
  ...updateSamples,
  ...localApiSamples,
];

/** Writers whose bytes no other release reads, and why. Ends in "/" for all of a folder. */
export const WITHOUT_SAMPLE: ReadonlyMap<string, string> = new Map([
  ["adapters/log/", "read from the state directories"],
  ["adapters/memory/", "for tests and the simulator, in one process"],
  ["adapters/sqlite/", "between threads of one process, or read from the state directories"],
  ["agent/clock-upkeep.ts", "one number"],
  ["agent/peer-requests.ts", "one number, or lists that have their own samples"],
  ["domain/hrana/", "Hrana 3, which clients of libSQL define"],
  ["domain/identity/deterministic-cbor.ts", "the encoder itself"],
  ["domain/identity/keys.ts", "Ed25519; what is signed has its own samples"],
  ["domain/sql/pack-writer.ts", "the encoder itself"],
  ["domain/update/canonical-json.ts", "the encoder itself"],
  ["domain/update/rollout-proposal.ts", "hashed by each node for itself, never read"],
  ["domain/update/tuf-document.ts", "TUF 1.0; its own conformance suite reads it"],
  ["domain/wire/cbor.ts", "the encoder itself"],
  ["runtime/membership/member-store.ts", "rows of shard system, read from the state directories"],
]);
