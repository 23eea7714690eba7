import { expect, test } from "bun:test";
import { errorCodeOf, messageOf } from "../../base/index.ts";
import {
  agreeOnProtocol,
  OWN_FEATURES,
  type ProtocolOffer,
  releasesApart,
} from "./protocol-version.ts";

function offer(version: string, min: string, features: readonly string[] = ["a"]): ProtocolOffer {
  return { protocolVersion: version, minProtocolVersion: min, features, release: "" };
}

function refusal(own: ProtocolOffer, peer: ProtocolOffer): string {
  try {
    agreeOnProtocol(own, peer);
    return "none";
  } catch (error) {
    expect(errorCodeOf(error)).toBe("VERSION_UNSUPPORTED");
    return messageOf(error);
  }
}

test("agreeOnProtocol() takes the lower version, compared by number", () => {
  const agreed = agreeOnProtocol(offer("1.10.0", "1.0.0"), offer("1.9.3", "1.0.0"));
  expect(agreed.protocolVersion).toBe("1.9.3");
});

test("agreeOnProtocol() keeps the features both have, unknown ones of the peer left out", () => {
  const own = offer("1.0.0", "1.0.0", ["a", "b", "c"]);
  const agreed = agreeOnProtocol(own, offer("1.0.0", "1.0.0", ["c", "future", "a"]));
  expect(agreed.features).toEqual(["a", "c"]);
});

test("agreeOnProtocol() says which side is too old", () => {
  expect(refusal(offer("2.0.0", "2.0.0"), offer("1.0.0", "1.0.0"))).toContain("update the peer");
  expect(refusal(offer("1.0.0", "1.0.0"), offer("2.0.0", "2.0.0"))).toContain("update this node");
});

test("agreeOnProtocol() refuses a peer with nothing in common or no version", () => {
  const own = offer("1.0.0", "1.0.0", OWN_FEATURES);
  expect(refusal(own, offer("1.0.0", "1.0.0", ["future"]))).toContain("no feature in common");
  expect(refusal(own, offer("1.0", "1.0.0"))).toContain("major.minor.patch");
});

test("releases run together when they are one minor version apart at most", () => {
  for (const [a, b] of [
    ["0.1.0", "0.1.9"],
    ["0.1.9", "0.2.0"],
    ["1.10.0", "1.9.0"],
    ["0.1.0", ""],
    ["dev", "3.0.0"],
  ] as const) {
    expect([a, b, releasesApart(a, b) ?? releasesApart(b, a)]).toEqual([a, b, null]);
  }
});

test("others are refused, in the same words on both sides, with what to do", () => {
  for (const [older, newer] of [
    ["0.1.0", "0.3.0"],
    ["0.9.0", "1.0.0"],
    ["1.9.0", "1.11.0"],
  ] as const) {
    const why = releasesApart(older, newer);
    expect(why).toContain(`runs Mycelium ${older}, the other ${newer}`);
    expect(why).toContain(`update the node with ${older}`);
    expect(releasesApart(newer, older)).toBe(why);
    const own = { ...offer("1.0.0", "1.0.0"), release: older };
    expect(refusal(own, { ...own, release: newer })).toContain(why ?? "");
  }
});
