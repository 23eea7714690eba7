import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UpdateStatus } from "../../domain/api/index.ts";
import { runCli } from "../run-cli.ts";
import { statusView } from "../status/status-view.ts";
import { updateView } from "../status/update-view.ts";
import { paint } from "../terminal.ts";
import { recordingTerminal } from "../testing/recording-terminal.ts";
import { NODE_A, NODE_B, SAMPLE_STATUS } from "../testing/sample-status.ts";
import { SAMPLE_UPDATE } from "../testing/sample-update.ts";

const root = mkdtempSync(join(tmpdir(), "mycelium-update-"));
const state = join(root, "state");
mkdirSync(state);
const requests: string[] = [];
let refusal: string | null = null;
const agent = Bun.serve({
  unix: join(state, "mycelium.sock"),
  fetch: async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/v1/status") return Response.json(SAMPLE_STATUS);
    requests.push(`${request.method} ${pathname} ${await request.text()}`.trim());
    if (refusal === null) return Response.json(SAMPLE_UPDATE);
    return Response.json({ error: { code: "UPDATE_REFUSED", message: refusal } }, { status: 409 });
  },
});
afterAll(async () => {
  await agent.stop(true);
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  requests.length = 0;
  refusal = null;
});

async function run(...argv: string[]) {
  const terminal = recordingTerminal();
  const status = await runCli(["update", ...argv, "--state", state], terminal);
  return { status, out: terminal.outLines.join("\n"), error: terminal.errorLines.join("\n") };
}

const plan = SAMPLE_UPDATE.plan as NonNullable<UpdateStatus["plan"]>;
const ink = paint(false);
const view = (change: Partial<typeof plan>) =>
  updateView({ ...SAMPLE_UPDATE, plan: { ...plan, ...change } }, 60_000, ink).join("\n");

test("each command asks the agent what it says, and shows how things are after it", async () => {
  const asked: readonly (readonly [string[], string])[] = [
    [["status"], "GET /v1/update"],
    [["check"], "POST /v1/update/check {}"],
    [["plan"], "POST /v1/update/plan {}"],
    [["plan", "0.2.0"], 'POST /v1/update/plan {"version":"0.2.0"}'],
    [["plan", "--dry-run"], "POST /v1/update/check {}"],
    [["approve", "0.2.0"], 'POST /v1/update/approve {"version":"0.2.0"}'],
    [["pause"], "POST /v1/update/pause {}"],
    [["resume"], "POST /v1/update/resume {}"],
    [["abort"], "POST /v1/update/abort {}"],
    [["rollback", "0.1.0"], 'POST /v1/update/rollback {"version":"0.1.0"}'],
  ];
  for (const [words, request] of asked) {
    requests.length = 0;
    const { status, out } = await run(...words);
    expect([words, status, requests]).toEqual([words, 0, [request]]);
    expect(out).toContain("Rollout of 0.2.0: rolling, 0 of 2 nodes");
  }
  expect(JSON.parse((await run("status", "--json")).out)).toEqual(SAMPLE_UPDATE);
});

test("rollback takes nodes by their last letters, one flag each or with commas", async () => {
  const both = JSON.stringify({ version: "0.1.0", nodes: [NODE_A, NODE_B] });
  const [a, b] = [NODE_A.slice(-6), NODE_B.slice(-6)];
  for (const words of [["--node", a, "--node", b], [`--node=${a},${b}`]]) {
    requests.length = 0;
    expect((await run("rollback", "0.1.0", ...words)).status).toBe(0);
    expect(requests).toEqual([`POST /v1/update/rollback ${both}`]);
  }
  const unknown = await run("rollback", "0.1.0", "--node", "nobody");
  expect(unknown.status).toBe(2);
  expect(unknown.error).toContain("no node has that id");
});

test("what the agent refuses fails with its reason", async () => {
  refusal = "Cannot pause: there is no rollout";
  expect(await run("pause")).toMatchObject({ status: 1 });
  const { error } = await run("pause", "--json");
  expect(JSON.parse(error)).toEqual({ error: { code: "UPDATE_REFUSED", message: refusal } });
  expect((await run("approve")).status).toBe(2);
});

test("people see each node's wave and progress, and whose vote is missing", () => {
  const rolling = view({});
  expect(rolling).toMatch(/canary +switched +0\.2\.0/);
  expect(rolling).toMatch(/next \+1 +staging +40 % +0\.1\.0/);
  expect(rolling).not.toContain("votes");
  const [one, two] = plan.decision?.participants ?? [];
  const decision = {
    ...(plan.decision as NonNullable<typeof plan.decision>),
    participants: [
      { ...one!, part: "committed" as const },
      { ...two!, part: "waiting" as const },
    ],
  };
  const proposed = view({ state: "proposed", decision });
  expect(proposed).toContain(
    "weight 1 of 2, needed 2 (three or fewer decide: no liar is tolerated)",
  );
  expect(proposed).toContain(`waits for …${NODE_B.slice(-8)}`);
  const many = view({ state: "proposed", decision: { ...decision, toleratesLiar: true } });
  expect(many).not.toContain("liar");
  expect(view({ state: "reverted", reason: "it crashed" })).toContain(
    "reverted, 0 of 2 nodes: it crashed",
  );
});

test("status shows a rollout while it is under way, and not after", () => {
  const lines = (state: typeof plan.state) =>
    statusView(
      { ...SAMPLE_STATUS, update: { ...SAMPLE_UPDATE, plan: { ...plan, state } } },
      ink,
    ).join("\n");
  expect(lines("rolling")).toContain("Rollout of 0.2.0");
  expect(lines("done")).not.toContain("Rollout");
});
