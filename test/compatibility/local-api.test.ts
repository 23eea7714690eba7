/** The client of one release and the agent of another, over a real socket. */

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCodeOf } from "../../src/base/index.ts";
import { LocalClient } from "../../src/client/index.ts";
import { releases, writtenSamples } from "./fixtures.ts";
import { withLaterFields } from "./sample.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-compatibility-"));
const socket = join(directory, "mycelium.sock");
let answer: Uint8Array = new Uint8Array();
let status = 200;
const server = Bun.serve({ unix: socket, fetch: () => new Response(answer.slice(), { status }) });
const client = new LocalClient(socket);
afterAll(async () => {
  await server.stop(true);
  rmSync(directory, { recursive: true });
});

function statusOf(release: string): Uint8Array {
  const written = writtenSamples(release)["local API: status"];
  return new Uint8Array(Buffer.from(written?.bytes ?? "", "base64"));
}

/** The same without some fields of `update`. */
function without(bytes: Uint8Array, ...fields: readonly string[]): Uint8Array {
  const found = JSON.parse(new TextDecoder().decode(bytes));
  for (const field of fields) delete found.update[field];
  return new TextEncoder().encode(JSON.stringify(found));
}

test.each([...releases()])("the status of an agent of %s is read", async (release) => {
  answer = statusOf(release);
  expect(await client.status()).toMatchObject({ network: { name: "home" }, healthy: false });
});

test("an agent that does not know the fields that were added last is not refused", async () => {
  answer = without(statusOf("0.1.0"), "heldBack", "checkProblem");
  expect((await client.status()).update).toMatchObject({
    heldBack: null,
    checkProblem: null,
  });
  answer = without(statusOf("0.1.0"), "node");
  expect(errorCodeOf(await client.status().catch((error: unknown) => error))).toBe("MALFORMED");
});

test("what a later agent says beyond that is passed over", async () => {
  answer = statusOf("0.1.0");
  const known = await client.status();
  answer = withLaterFields(answer, "json");
  expect(await client.status()).toEqual(known);
});

test("a refusal of a later agent keeps its code and words", async () => {
  status = 409;
  answer = new TextEncoder().encode(
    JSON.stringify({ error: { code: "OF_LATER", message: "Cannot do it: later" }, more: 1 }),
  );
  const error = await client.stop().catch((caught: unknown) => caught);
  status = 200;
  expect(String(errorCodeOf(error))).toBe("OF_LATER");
  expect(String(error)).toContain("Cannot do it: later");
});
