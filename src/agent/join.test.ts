import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asNetworkId, errorCodeOf } from "../base/index.ts";
import { loadConfig } from "../domain/config/index.ts";
import { decodeJoinStatement, encodeJoinToken } from "../domain/identity/index.ts";
import { decodeEnrolRequest } from "../runtime/membership/index.ts";
import { joinNetwork } from "./join.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-join-"));
afterAll(() => rmSync(directory, { recursive: true }));

const LOST = { code: "OUTCOME_UNKNOWN", message: "the leader was lost" };
const USED = { code: "TOKEN_USED", message: "it was used" };

function tokenFor(address: string): string {
  return encodeJoinToken({
    networkId: asNetworkId("ab".repeat(32)),
    addresses: [address],
    seed: new Uint8Array(32).fill(7),
    expiresAtMs: Math.ceil(Date.now() / 1_000) * 1_000 + 60_000,
    class: "sclerotium",
    role: "validator",
  });
}

/** Nothing listens at its address. */
const TOKEN = tokenFor("127.0.0.1:1");

async function refusal(
  environment: Record<string, string>,
  token = TOKEN,
): Promise<string | undefined> {
  const config = loadConfig({ environment, flags: {}, file: null });
  try {
    await joinNetwork(config, { token, roundPauseMs: 1 });
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

test("a join whose answer is lost asks again with the same key, until it has an answer", async () => {
  const state = join(directory, "lost");
  const askedBy: string[] = [];
  let answer = () => new Response(JSON.stringify({ error: LOST }), { status: 503 });
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const body = decodeEnrolRequest(new Uint8Array(await request.arrayBuffer()));
      askedBy.push(decodeJoinStatement(body.join.payload).nodeId);
      return answer();
    },
  });
  const token = tokenFor(`127.0.0.1:${server.port}`);
  try {
    expect(await refusal({ MYCELIUM_STATE: state }, token)).toBe("OUTCOME_UNKNOWN");
    expect(await refusal({ MYCELIUM_STATE: state }, token)).toBe("OUTCOME_UNKNOWN");
    expect(new Set(askedBy).size).toBe(1);
    expect(askedBy.length).toBeGreaterThan(2);
    answer = () => new Response(JSON.stringify({ error: USED }), { status: 403 });
    expect(await refusal({ MYCELIUM_STATE: state }, token)).toBe("TOKEN_USED");
    expect(new Set(askedBy).size).toBe(1);
    expect(existsSync(join(state, "joining.key"))).toBe(false);
  } finally {
    await server.stop(true);
  }
});
