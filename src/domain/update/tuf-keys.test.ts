import { describe, expect, test } from "bun:test";
import { constants, generateKeyPairSync, sign } from "node:crypto";
import { utf8 } from "../../base/index.ts";
import { countSigners, type TufKey, type TufSignature } from "./tuf-keys.ts";

const MESSAGE = utf8("signed");
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

interface Signer {
  readonly key: TufKey;
  sign(message: Uint8Array): string;
}

function ed25519(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return {
    key: { keytype: "ed25519", scheme: "ed25519", keyval: { public: point.toString("hex") } },
    sign: (message) => sign(null, message, privateKey).toString("hex"),
  };
}

function ecdsa(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
  return {
    key: { keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", keyval: { public: pem } },
    sign: (message) => sign("sha256", message, privateKey).toString("hex"),
  };
}

function rsa(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
  return {
    key: { keytype: "rsa", scheme: "rsassa-pss-sha256", keyval: { public: pem } },
    sign: (message) => sign("sha256", message, { key: privateKey, ...PSS }).toString("hex"),
  };
}

function count(signatures: readonly TufSignature[], keys: Record<string, TufKey>): number {
  const role = { keyIds: Object.keys(keys), threshold: 1 };
  return countSigners(role, keys, signatures, MESSAGE);
}

describe("countSigners()", () => {
  test.each([
    ["Ed25519", ed25519],
    ["ECDSA P-256", ecdsa],
    ["RSA-PSS", rsa],
  ] as const)("verifies %s, and nothing but it", (_, make) => {
    const { key, sign: signWith } = make();
    expect(count([{ keyid: "a", sig: signWith(MESSAGE) }], { a: key })).toBe(1);
    for (const sig of [signWith(utf8("other")), make().sign(MESSAGE), "", "zz", "00".repeat(64)]) {
      expect(count([{ keyid: "a", sig }], { a: key })).toBe(0);
    }
    const other = { ...key, scheme: "ed448" };
    expect(count([{ keyid: "a", sig: signWith(MESSAGE) }], { a: other })).toBe(0);
    const broken = { ...key, keyval: { public: "nonsense" } };
    expect(count([{ keyid: "a", sig: signWith(MESSAGE) }], { a: broken })).toBe(0);
  });

  test("does not take a key of one kind for one of another", () => {
    const [a, b] = [ecdsa(), rsa()];
    const confused = { ...a.key, keyval: b.key.keyval };
    expect(count([{ keyid: "a", sig: b.sign(MESSAGE) }], { a: confused })).toBe(0);
  });

  test("counts keys of the role only, each once", () => {
    const [a, b] = [ed25519(), ed25519()];
    const signatures = [
      { keyid: "a", sig: a.sign(MESSAGE) },
      { keyid: "b", sig: b.sign(MESSAGE) },
      { keyid: "__proto__", sig: a.sign(MESSAGE) },
    ];
    const keys = { a: a.key, b: b.key };
    expect(countSigners({ keyIds: ["a"], threshold: 1 }, keys, signatures, MESSAGE)).toBe(1);
    expect(count(signatures, keys)).toBe(2);
    expect(count(signatures, { a: a.key, b: a.key })).toBe(1);
    const proto = { keyIds: ["__proto__", "toString"], threshold: 1 };
    expect(countSigners(proto, keys, signatures, MESSAGE)).toBe(0);
  });
});
