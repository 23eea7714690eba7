import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asNetworkId, errorCodeOf } from "../base/index.ts";
import { loadConfig } from "../domain/config/index.ts";
import { encodeJoinToken } from "../domain/identity/index.ts";
import { joinNetwork } from "./join.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-join-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Nothing listens at its address. */
const TOKEN = encodeJoinToken({
  networkId: asNetworkId("ab".repeat(32)),
  addresses: ["127.0.0.1:1"],
  seed: new Uint8Array(32).fill(7),
  expiresAtMs: Math.ceil(Date.now() / 1_000) * 1_000 + 60_000,
  class: "sclerotium",
  role: "validator",
});

async function refusal(environment: Record<string, string>): Promise<string | undefined> {
  const config = loadConfig({ environment, flags: {}, file: null });
  try {
    await joinNetwork(config, { token: TOKEN });
  } catch (error) {
    return errorCodeOf(error);
  }
  throw new Error("it joined");
}

test("a join that fails leaves no directory behind, and one that was there empty", async () => {
  const fresh = join(directory, "fresh");
  expect(await refusal({ MYCELIUM_STATE: fresh })).toBe("UNREACHABLE");
  expect(existsSync(fresh)).toBe(false);
  const own = mkdtempSync(join(directory, "own-"));
  expect(await refusal({ MYCELIUM_STATE: own })).toBe("UNREACHABLE");
  expect(readdirSync(own).filter((name) => /key|cbor|log$/.test(name))).toEqual([]);
});

test("NETWORK_ID refuses the token of another network before anything is made", async () => {
  const state = join(directory, "other");
  const environment = { MYCELIUM_STATE: state, MYCELIUM_NETWORK_ID: "cd".repeat(32) };
  expect(await refusal(environment)).toBe("WRONG_NETWORK");
  expect(existsSync(state)).toBe(false);
});
