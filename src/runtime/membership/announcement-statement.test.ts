import { expect, test } from "bun:test";
import { asNetworkId } from "../../base/index.ts";
import { nodeKeyFromSeed } from "../../domain/identity/index.ts";
import { openAnnouncement, signAnnouncement } from "./announcement-statement.ts";

const network = asNetworkId("ab".repeat(32));
const key = nodeKeyFromSeed(new Uint8Array(32).fill(1));
const other = nodeKeyFromSeed(new Uint8Array(32).fill(2));
const announcement = {
  addresses: ["10.0.0.7:9090"],
  apiAddresses: ["10.0.0.7:8080"],
  multiaddrs: [],
  validatorWeight: 1,
  version: "0.2.0",
};

test("openAnnouncement() gives what the node signed", () => {
  const signed = signAnnouncement(key, network, announcement);
  expect(openAnnouncement(signed, network, key.nodeId)).toEqual(announcement);
});

test("openAnnouncement() refuses another node's, another network's, and what was changed on the way", () => {
  const signed = signAnnouncement(key, network, announcement);
  const foreign = asNetworkId("cd".repeat(32));
  expect(() => openAnnouncement(signed, network, other.nodeId)).toThrow(/announces itself only/);
  expect(() => openAnnouncement(signed, foreign, key.nodeId)).toThrow(/another network's/);
  const changed = signed.slice();
  const at = Buffer.from(changed).indexOf("0.2.0");
  changed[at] = "9".charCodeAt(0);
  expect(() => openAnnouncement(changed, network, key.nodeId)).toThrow(/none that is signed/);
});
