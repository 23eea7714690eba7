import { describe, expect, test } from "bun:test";
import { asNetworkId } from "../../base/index.ts";
import { certificateOf, verifyCertificate } from "./certificate.ts";
import { openStatement, signStatement } from "./decision-statement.ts";
import { Ballot, COMMIT_MS, NETWORK, REVEAL_MS, VALUE_A, VALUE_B } from "./testing/ballot.ts";

const four = () => new Ballot([1, 1, 1, 1]);
const parts = (ballot: Ballot) => ballot.decision.outcome?.parts.map(({ part }) => part);

describe("a decision", () => {
  test("takes commits, then reveals once enough weight has committed, and decides", () => {
    const ballot = four();
    ballot.put(ballot.commit(0, VALUE_A), ballot.commit(1, VALUE_A));
    expect(ballot.decision.phase).toBe("commit");
    ballot.put(ballot.reveal(0, VALUE_A));
    expect(ballot.decision.hasRevealed(ballot.id(0))).toBe(false);
    ballot.put(ballot.commit(2, VALUE_A));
    expect(ballot.decision.phase).toBe("reveal");
    ballot.put(ballot.reveal(0, VALUE_A), ballot.reveal(1, VALUE_A), ballot.end(3, "close"));
    expect(ballot.decision.outcome).toBeNull();
    ballot.put(ballot.reveal(2, VALUE_A), ballot.end(3, "close"));
    expect(ballot.decision.outcome).toMatchObject({ result: "decided", value: VALUE_A });
    expect(parts(ballot)).toEqual(["for", "for", "for", "absent"]);
  });

  test("takes no commit once a reveal is in the log, and one until then", () => {
    const ballot = four();
    ballot.put(...[0, 1, 2].map((node) => ballot.commit(node, VALUE_A)));
    ballot.put(ballot.commit(3, VALUE_A));
    expect(ballot.decision.allCommitted).toBe(true);
    const late = four();
    late.put(...[0, 1, 2].map((node) => late.commit(node, VALUE_A)));
    late.put(late.reveal(0, VALUE_A), late.commit(3, VALUE_A), late.reveal(3, VALUE_A));
    expect(late.decision.hasCommitted(late.id(3))).toBe(false);
    expect(late.decision.hasRevealed(late.id(3))).toBe(false);
  });

  test("takes no deadline and no close before its time, whoever writes them", () => {
    const ballot = four();
    ballot.nowMs += COMMIT_MS - 1;
    ballot.put(ballot.end(0, "deadline"), ballot.end(0, "close"));
    expect(ballot.decision.phase).toBe("commit");
    ballot.put(ballot.commit(0, VALUE_A));
    ballot.nowMs += 1;
    ballot.put(ballot.end(1, "deadline"), ballot.commit(1, VALUE_A));
    expect(ballot.decision.phase).toBe("reveal");
    expect(ballot.decision.hasCommitted(ballot.id(1))).toBe(false);
    ballot.nowMs += REVEAL_MS - 1;
    ballot.put(ballot.end(0, "close"));
    expect(ballot.decision.outcome).toBeNull();
    ballot.nowMs += 1;
    ballot.put(ballot.end(0, "close"));
    expect(ballot.decision.outcome?.result).toBe("timedOut");
    expect(parts(ballot)).toEqual(["silent", "absent", "absent", "absent"]);
    ballot.put(ballot.reveal(0, VALUE_A));
    expect(parts(ballot)?.[0]).toBe("silent");
  });

  test("is rejected, with the reasons, when no value can reach the bound any more", () => {
    const ballot = four();
    ballot.put(...[0, 1, 2].map((node) => ballot.commit(node, node === 0 ? VALUE_A : null)));
    ballot.put(
      ballot.reveal(0, VALUE_A),
      ballot.reveal(1, null, 1, "stateFormat is below the floor"),
    );
    ballot.put(ballot.reveal(2, null), ballot.end(0, "close"));
    expect(ballot.decision.outcome?.result).toBe("rejected");
    expect(ballot.decision.outcome?.parts[1]).toMatchObject({
      part: "against",
      reason: "stateFormat is below the floor",
    });
  });

  test("voids the vote of whoever commits to two values, and keeps both statements", () => {
    const ballot = four();
    ballot.put(...[0, 1, 2, 3].map((node) => ballot.commit(node, VALUE_A)));
    ballot.put(ballot.commit(0, VALUE_A));
    expect(ballot.decision.equivocations).toEqual([]);
    ballot.put(ballot.commit(0, VALUE_B), ballot.reveal(0, VALUE_A));
    const [evidence] = ballot.decision.equivocations;
    expect(evidence?.author).toBe(ballot.id(0));
    for (const part of [evidence!.first, evidence!.second]) {
      expect(openStatement(part, NETWORK)).toMatchObject({ type: "commit", author: ballot.id(0) });
    }
    ballot.put(...[1, 2, 3].map((node) => ballot.reveal(node, VALUE_A)), ballot.end(1, "close"));
    expect(parts(ballot)).toEqual(["equivocated", "for", "for", "for"]);
    expect(certificateOf(ballot.decision)?.reveals.length).toBe(3);
  });

  test("counts no reveal that does not fit its commitment", () => {
    const ballot = four();
    ballot.put(...[0, 1, 2].map((node) => ballot.commit(node, VALUE_A)));
    ballot.put(ballot.reveal(0, VALUE_B), ballot.reveal(0, VALUE_A, 2), ballot.reveal(3, VALUE_A));
    for (const node of [0, 3]) expect(ballot.decision.hasRevealed(ballot.id(node))).toBe(false);
  });

  test("believes nobody who signs as another, for another network, or takes no part", () => {
    const ballot = four();
    const forged = { ...ballot.commit(1, VALUE_A), signature: ballot.commit(2, VALUE_A).signature };
    const stranger = new Ballot([1, 1, 1, 1, 1]).commit(4, VALUE_A);
    const elsewhere = signStatement(ballot.key(1), {
      type: "commit",
      network: asNetworkId("cd".repeat(32)),
      operation: 1,
      author: ballot.id(1),
      commitment: new Uint8Array(32),
    });
    ballot.put(forged, stranger, elsewhere);
    expect(ballot.decision.hasCommitted(ballot.id(1))).toBe(false);
    expect(ballot.decision.hasCommitted(ballot.id(4))).toBe(false);
  });

  test("is opened by a participant, with fair weights, under an id never used before", () => {
    const ballot = four();
    const heavy = [0, 1, 2, 3].map((node) => ({
      node: ballot.id(node),
      weight: node === 0 ? 9 : 1,
    }));
    const others = heavy.slice(1).map(({ node }) => ({ node, weight: 1 }));
    ballot.put(ballot.opening({ operation: 7, participants: heavy }));
    ballot.put(ballot.opening({ operation: 7, participants: others }));
    expect(ballot.log.lastOperation).toBe(1);
    const again = ballot.opening({ subject: "other" });
    ballot.put(ballot.opening({ operation: 5 }), ballot.opening({ operation: 3 }), again);
    expect(ballot.log.decisions().map(({ operation }) => operation)).toEqual([1, 5]);
    expect(ballot.decision.opening.subject).toBe("0.2.0");
  });

  test("leaves a certificate that holds for its value, kind and network alone", () => {
    const ballot = four();
    ballot.put(...[0, 1, 2].map((node) => ballot.commit(node, VALUE_A)));
    ballot.put(...[0, 1, 2].map((node) => ballot.reveal(node, VALUE_A)), ballot.end(0, "close"));
    const certificate = certificateOf(ballot.decision)!;
    const rules = {
      network: NETWORK,
      kind: "release",
      value: VALUE_A,
      weights: ballot.weights(),
    } as const;
    expect(verifyCertificate(certificate, rules)).toEqual({
      ok: true,
      operation: 1,
      subject: "0.2.0",
    });
    const [one, two] = certificate.reveals;
    const foreign = new Map([
      ...ballot.weights(),
      ...new Ballot(Array<number>(8).fill(1)).weights(),
    ]);
    for (const verdict of [
      verifyCertificate(certificate, { ...rules, value: VALUE_B }),
      verifyCertificate(certificate, { ...rules, kind: "rollback" }),
      verifyCertificate(certificate, { ...rules, network: asNetworkId("cd".repeat(32)) }),
      verifyCertificate({ ...certificate, reveals: [one!, two!, one!] }, rules),
      verifyCertificate({ ...certificate, reveals: [] }, rules),
      // An opening that names one node alone is decided by it, and convinces nobody who knows of more.
      verifyCertificate(certificate, { ...rules, weights: foreign }),
    ]) {
      expect(verdict.ok).toBe(false);
    }
  });
});
