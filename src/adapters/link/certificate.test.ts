import { expect, test } from "bun:test";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { nodeKeyFromSeed } from "../../domain/identity/index.ts";
import { makeLinkCredentials, nodeIdOfCertificate } from "./certificate.ts";

const key = nodeKeyFromSeed(new Uint8Array(32).fill(3));

test("the certificate holds the node's key, signed with it, and does not end", () => {
  const parsed = new X509Certificate(makeLinkCredentials(key).certificate);
  expect(nodeIdOfCertificate(parsed)).toBe(key.nodeId);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(new Date(parsed.validTo).getUTCFullYear()).toBe(9999);
});

test("the certificate tells nothing but the key", () => {
  const parsed = new X509Certificate(makeLinkCredentials(key).certificate);
  expect(parsed.subject).toBe("CN=node");
  expect(parsed.issuer).toBe("CN=node");
});

test("nodeIdOfCertificate() is null for another kind of key", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const other = { publicKey } as X509Certificate;
  expect(nodeIdOfCertificate(other)).toBeNull();
});
