/**
 * The primary's proof, kept fresh: the leader states what it leads, and the voters whose replica agrees sign that.
 * Nobody signs a term, leader or configuration other than what its own replica holds.
 */

import type { GroupId } from "../../base/index.ts";
import {
  errorCodeOf,
  MyceliumError,
  messageOf,
  type NodeId,
  nodeOfReplica,
} from "../../base/index.ts";
import type { Network, NodeKey } from "../../domain/identity/index.ts";
import { decodeConfiguration } from "../../domain/raft/index.ts";
import {
  compareProofs,
  decodePrimaryStatement,
  decodeProofSignature,
  encodePrimaryStatement,
  encodeProofSignature,
  type LatentMap,
  type PrimaryProof,
  type ProofContext,
  type ProofSignature,
  signPrimaryStatement,
  verifyPrimaryProof,
} from "../../domain/spore/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import type { LinkView, MemberView, PrimaryState } from "./parts.ts";

export const PROVE_METHOD = "spore/prove";
const SIGN_TIMEOUT_MS = 5_000;

export interface ProverOptions {
  readonly network: Network;
  readonly key: NodeKey;
  /** The Raft group that is the primary. */
  readonly group: GroupId;
  readonly primary: () => PrimaryState | null;
  readonly members: MemberView;
  readonly links: LinkView;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Prover {
  readonly #options: ProverOptions;
  readonly #latent: LatentMap;
  /** The highest valid proof known, own or heard. */
  #best: PrimaryProof | null = null;

  /** `latent` tells of those who may vote and are on no list here yet: a record is kept for its grant only. */
  constructor(options: ProverOptions, latent: LatentMap) {
    this.#options = options;
    this.#latent = latent;
  }

  get best(): PrimaryProof | null {
    return this.#best;
  }

  context(): ProofContext {
    const { network, members, clock } = this.#options;
    return {
      networkId: network.id,
      nowMs: clock.wallMs(),
      mayVote: (node) =>
        !members.isRevoked(node) && (members.mayVote(node) || this.#isValidator(node)),
    };
  }

  #isValidator(node: NodeId): boolean {
    return this.#latent.get(node)?.signed.record.role === "validator";
  }

  /** Takes a proof from elsewhere; keeps it when it is valid and higher than the best so far. Throws MALFORMED. */
  learn(proof: PrimaryProof): "better" | "known" | "invalid" {
    if (this.#best !== null && compareProofs(proof, this.#best) <= 0) return "known";
    if (!verifyPrimaryProof(proof, this.context()).ok) return "invalid";
    this.#best = proof;
    return "better";
  }

  /** Leader: one round. Null when this node does not lead or too few voters agreed. */
  async prove(): Promise<PrimaryProof | null> {
    const { key, network, group, primary, clock, logger } = this.#options;
    const state = primary();
    if (state?.leads !== true) return null;
    const payload = encodePrimaryStatement({
      networkId: network.id,
      group,
      term: state.term,
      leader: key.nodeId,
      index: state.commitIndex,
      configuration: state.configuration,
      issuedAtMs: clock.wallMs(),
    });
    const asked = await Promise.all(
      this.#otherVoters(state).map((voter) => this.#askToSign(voter, payload)),
    );
    const others = asked.filter((signature) => signature !== null);
    const signatures = [signPrimaryStatement(key, payload), ...others];
    const proof = { statement: decodePrimaryStatement(payload), payload, signatures };
    const verdict = verifyPrimaryProof(proof, this.context());
    if (!verdict.ok) {
      logger.debug("primary not proved", { reason: verdict.reason, signatures: signatures.length });
      return null;
    }
    this.learn(proof);
    return proof;
  }

  /** Voter: signs a statement that the own replica agrees with. Throws MALFORMED, FORBIDDEN. */
  answer(from: NodeId, payload: Uint8Array): Uint8Array {
    const { key, network, group, primary } = this.#options;
    const stated = decodePrimaryStatement(payload);
    const own = primary();
    const agrees =
      own !== null &&
      stated.networkId === network.id &&
      stated.group === group &&
      stated.leader === from &&
      own.leader === from &&
      own.term === stated.term &&
      own.lastIndex >= stated.index &&
      Buffer.compare(own.configuration, stated.configuration) === 0;
    if (!agrees) {
      const message =
        "Cannot sign the primary's proof: this replica sees another leader, term or configuration";
      throw new MyceliumError("FORBIDDEN", message);
    }
    return encodeProofSignature(signPrimaryStatement(key, payload));
  }

  #otherVoters(state: PrimaryState): readonly NodeId[] {
    const { voters, outgoing } = decodeConfiguration(state.configuration);
    const nodes = [...voters, ...outgoing].map(({ replica }) => nodeOfReplica(replica));
    return [...new Set(nodes)].filter((node) => node !== this.#options.key.nodeId);
  }

  async #askToSign(voter: NodeId, payload: Uint8Array): Promise<ProofSignature | null> {
    const { links, logger } = this.#options;
    try {
      const reply = await links.request(voter, PROVE_METHOD, payload, SIGN_TIMEOUT_MS);
      const signature = decodeProofSignature(reply);
      return signature.voter === voter ? signature : null;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      logger.debug("voter did not sign", { voter, reason: messageOf(error) });
      return null;
    }
  }
}
