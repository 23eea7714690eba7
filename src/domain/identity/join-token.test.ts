import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asNetworkId, MyceliumError } from "../../base/index.ts";
import { decodeJoinToken, encodeJoinToken, type JoinToken } from "./join-token.ts";

const NOW = 1_800_000_000_000;
const TOKEN: JoinToken = {
  networkId: asNetworkId("ab".repeat(32)),
  addresses: ["192.168.1.20:8080", "[fe80::1%eth0]:8080", "pi.local:8080"],
  seed: new Uint8Array(32).fill(7),
  expiresAtMs: NOW + 3_600_000,
  class: "sclerotium",
  role: "validator",
};

function refusal(text: string, nowMs = NOW): MyceliumError {
  try {
    decodeJoinToken(text, nowMs);
  } catch (error) {
    if (error instanceof MyceliumError) return error;
    throw error;
  }
  throw new Error(`accepted ${text}`);
}

describe("join tokens", () => {
  test("come back as they went, whatever their content", () => {
    const kind = fc.constantFrom(
      { class: "sclerotium", role: "validator" } as const,
      { class: "sclerotium", role: "miner" } as const,
      { class: "rhizomorph", role: "miner" } as const,
      { class: "hypha", role: null } as const,
    );
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const address = fc.tuple(fc.domain(), fc.integer({ min: 1, max: 65_535 }));
    const addresses = fc.array(address, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(seed, seed, addresses, kind, (id, secret, hosts, one) => {
        const token: JoinToken = {
          ...one,
          networkId: asNetworkId(Buffer.from(id).toString("hex")),
          seed: secret,
          addresses: hosts.map(([host, port]) => `${host.slice(0, 100)}:${port}`),
          expiresAtMs: NOW + 1_000,
        };
        expect(decodeJoinToken(encodeJoinToken(token), NOW)).toEqual(token);
      }),
    );
  });

  test("are one line of letters that survive upper case, wrapping and spaces", () => {
    const text = encodeJoinToken(TOKEN);
    expect(text).toMatch(/^myc1[a-z2-7]+$/);
    expect(text.length).toBeLessThan(300);
    expect(decodeJoinToken(text.toUpperCase(), NOW)).toEqual(TOKEN);
    expect(decodeJoinToken(` ${text.slice(0, 80)}\n  ${text.slice(80)}\r\n`, NOW)).toEqual(TOKEN);
  });

  test("each kind of damage has its own message", () => {
    const text = encodeJoinToken(TOKEN);
    expect(refusal("").message).toContain("is empty");
    expect(refusal("hello").message).toContain('does not begin with "myc1"');
    expect(refusal(`${text.slice(0, 50)}!${text.slice(51)}`).message).toContain("position 51");
    expect(refusal(`${text.slice(0, 50)}0${text.slice(51)}`).message).toContain("mistyped");
    expect(refusal(text.slice(0, -1)).message).toContain("cut short");
    expect(refusal(text.slice(0, 6)).message).toContain("cut short");
    expect(refusal(`${text}a`).message).toContain("too long");
    expect(refusal("a".repeat(100_000)).message).toContain("far too long");
    const swapped = text[60] === "a" ? "b" : "a";
    expect(refusal(text.slice(0, 60) + swapped + text.slice(61)).message).toContain("altered");
    expect(refusal(text, NOW + 2 * 3_600_000)).toMatchObject({ code: "TOKEN_EXPIRED" });
    expect(refusal(text, NOW + 4 * 3_600_000).message).toContain("expired 3 h ago");
  });

  test("no changed letter, swap or cut passes", () => {
    const text = encodeJoinToken(TOKEN);
    for (let i = 0; i < text.length; i++) {
      for (const letter of "az27") {
        if (text[i] === letter) continue;
        const changed = text.slice(0, i) + letter + text.slice(i + 1);
        // The last letter carries bits that are not used.
        if (i < text.length - 1) expect(refusal(changed).code).toBe("BAD_TOKEN");
      }
      expect(refusal(text.slice(0, i)).code).toBe("BAD_TOKEN");
    }
  });

  test("garbage is refused, never a crash, and no message repeats the token", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.boolean(), (text, head) => {
        const error = refusal(head ? `myc1${text}` : text);
        expect(["BAD_TOKEN", "TOKEN_EXPIRED"]).toContain(error.code);
        expect(error.message.length).toBeLessThan(300);
      }),
    );
  });
});
