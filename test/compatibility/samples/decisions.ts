/** A network's decision: every kind of signed statement, the certificate, and a node's book of its own votes. */

import {
  certificateOf,
  commitmentOf,
  DecisionLog,
  type DecisionStatement,
  decisionParticipants,
  decodeCertificate,
  decodeSaid,
  encodeCertificate,
  encodeSaid,
  openStatement,
  openWithheld,
  saltOf,
  signStatement,
  signWithheld,
  verifyCertificate,
} from "../../../src/domain/trust/index.ts";
import { VoteBook } from "../../../src/runtime/decision/vote-book.ts";
import type { Sample } from "../sample.ts";
import { hex, ids, leader, NOW_MS, network, world } from "./world.ts";

const VERSION = "0.2.0";
/** The digest that all voted for. */
export const DECIDED = hex("c");

function signed(author: typeof leader, said: object): ReturnType<typeof signStatement> {
  const statement = { network: network.id, operation: 1, author: author.nodeId, ...said };
  return signStatement(author, statement as DecisionStatement);
}

function vote(node: typeof leader) {
  const { id } = network;
  const salt = saltOf(node, id, 1);
  return { network: id, operation: 1, author: node.nodeId, value: DECIDED, salt };
}

/** Every statement of a decision of three, in the log's order. */
const STATEMENTS = [
  signed(leader, {
    type: "open",
    kind: "release",
    subject: VERSION,
    participants: decisionParticipants(new Map(ids.map((id) => [id, 1]))),
    commitMs: 10_000,
    revealMs: 10_000,
  }),
  ...world.keys.map((key) => signed(key, { type: "commit", commitment: commitmentOf(vote(key)) })),
  ...world.keys.map((key) => signed(key, { ...vote(key), type: "reveal", reason: "verified" })),
  signed(leader, { type: "close" }),
];

const ACCUSATION = {
  network: network.id,
  operation: 1,
  author: leader.nodeId,
  leader: ids.find((id) => id !== leader.nodeId) ?? leader.nodeId,
  term: 7,
  commit: STATEMENTS[1] ?? signed(leader, {}),
} as const;

export function certificate(): Uint8Array {
  const log = new DecisionLog(network.id);
  for (const part of STATEMENTS) log.apply({ part, atMs: NOW_MS });
  const decision = log.decision(1);
  const made = decision === undefined ? null : certificateOf(decision);
  if (made === null) throw new Error("three of three have decided");
  return encodeCertificate(made);
}

export const decisionSamples: readonly Sample[] = [
  ...STATEMENTS.filter((_, i) => [0, 1, 4, 7].includes(i)).map((part, i): Sample => {
    const name = ["opening", "commitment", "reveal", "close"][i];
    return {
      name: `${name} of a decision`,
      form: "other",
      writers: ["domain/trust/decision-statement.ts signStatement"],
      write: () => Buffer.concat([part.signature, part.payload]),
      read: (bytes) => {
        const [signature, payload] = [bytes.slice(0, 64), bytes.slice(64)];
        return openStatement({ payload, signature }, network.id);
      },
    };
  }),
  {
    name: "accusation of a leader that withholds a commit",
    form: "cbor",
    writers: ["signWithheld", "encodeSaid"].map(
      (name) => `domain/trust/withheld-statement.ts ${name}`,
    ),
    write: () => encodeSaid(signWithheld(leader, ACCUSATION)),
    read: (bytes) => openWithheld(decodeSaid(bytes), network.id),
  },
  {
    name: "certificate of a decision",
    form: "cbor",
    writers: ["domain/trust/certificate.ts encodeCertificate"],
    write: certificate,
    read: (bytes) =>
      verifyCertificate(decodeCertificate(bytes), {
        network: network.id,
        kind: "release",
        value: DECIDED,
        weights: new Map(ids.map((id) => [id, 1])),
      }),
  },
  {
    name: "votes of this node",
    form: "cbor",
    writers: ["runtime/decision/vote-book.ts VoteBook"],
    write: () => {
      let written = new Uint8Array();
      const write = (content: Uint8Array) => {
        written = content.slice();
      };
      const book = new VoteBook({ read: () => null, write });
      book.record({ operation: 1, value: DECIDED, reason: "verified" });
      book.record({ operation: 2, value: null, reason: "it goes back" });
      return written;
    },
    read: (bytes) => {
      const book = new VoteBook({ read: () => bytes, write: () => {} });
      return [book.vote(1), book.vote(2)];
    },
  },
];
