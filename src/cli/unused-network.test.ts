import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCodeOf } from "../base/index.ts";
import { LocalClient } from "../client/index.ts";
import { SAMPLE_STATUS } from "./testing/sample-status.ts";
import { assertUnused } from "./unused-network.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-unused-"));
const socket = join(directory, "mycelium.sock");
let tables = "0";
let peers = SAMPLE_STATUS.peers;
const agent = Bun.serve({
  unix: socket,
  fetch: async (request) => {
    if (request.url.endsWith("/v1/status")) return Response.json({ ...SAMPLE_STATUS, peers });
    const { requests } = (await request.json()) as { requests: { stmt: { sql: string } }[] };
    expect(requests[0]!.stmt.sql).toContain("sqlite_schema");
    const result = { cols: [], rows: [[{ type: "integer", value: tables }]] };
    const results = [{ type: "ok", response: { type: "execute", result } }];
    return Response.json({ baton: null, base_url: null, results });
  },
});
beforeEach(() => {
  tables = "0";
  peers = [];
});
afterAll(async () => {
  await agent.stop(true);
  rmSync(directory, { recursive: true });
});

describe("assertUnused()", () => {
  const codeOf = () => assertUnused(new LocalClient(socket)).then(() => null, errorCodeOf);

  test("lets a lone node without tables give way", async () => {
    expect(await codeOf()).toBeNull();
  });

  test("refuses when there are tables", async () => {
    tables = "3";
    expect(await codeOf()).toBe("ALREADY_MEMBER");
  });

  test("refuses when there are other nodes", async () => {
    peers = SAMPLE_STATUS.peers;
    expect(await codeOf()).toBe("ALREADY_MEMBER");
  });
});
