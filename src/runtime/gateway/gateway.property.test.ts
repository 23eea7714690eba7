import { expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayFixture } from "./gateway-fixture.ts";

const SQL = fc.oneof(
  fc.constantFrom(
    ...[
      "",
      ";",
      "SELECT 1",
      "INSERT",
      "BEGIN",
      "BEGIN IMMEDIATE",
      "COMMIT",
      "ROLLBACK",
      "SAVEPOINT a",
    ],
    ...[
      "RELEASE a",
      "ROLLBACK TO a",
      "SELECT 1; SELECT 2",
      "BEGIN TRANSACTION READONLY",
      "'",
      "/*",
    ],
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);

const condition = fc.option(
  fc.oneof(
    fc.record({ type: fc.constantFrom("ok", "error"), step: fc.integer({ min: -1, max: 3 }) }),
    fc.record({
      type: fc.constant("not"),
      cond: fc.record({ type: fc.constant("is_autocommit") }),
    }),
    fc.jsonValue(),
  ),
);
const stmt = fc.oneof(
  fc.record({ sql: SQL }),
  fc.record({ sql_id: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ sql: SQL, args: fc.array(fc.jsonValue(), { maxLength: 2 }) }),
);
const request = fc.oneof(
  fc.record({ type: fc.constant("execute"), stmt }),
  fc.record({
    type: fc.constant("batch"),
    batch: fc.record({ steps: fc.array(fc.record({ stmt, condition }), { maxLength: 4 }) }),
  }),
  fc.record({ type: fc.constantFrom("sequence", "describe"), sql: SQL }),
  fc.record({ type: fc.constant("store_sql"), sql_id: fc.integer({ min: 0, max: 2 }), sql: SQL }),
  fc.record({ type: fc.constant("close_sql"), sql_id: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ type: fc.constantFrom("close", "get_autocommit", "nonsense") }),
);

test("whatever a client sends is answered, in JSON, and leaves nothing open in the end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof({ weight: 9, arbitrary: fc.array(request, { maxLength: 4 }) }, fc.jsonValue()),
        {
          maxLength: 4,
        },
      ),
      fc.constantFrom("rw", "ro"),
      fc.option(fc.constantFrom("NO_QUORUM" as const, "OUTCOME_UNKNOWN" as const)),
      async (pipelines, token, failure) => {
        const node = new GatewayFixture();
        let baton: unknown = null;
        for (const [i, requests] of pipelines.entries()) {
          node.sql.failWith = i % 2 === 1 ? failure : null;
          const response = await node.post({ baton, requests }, { token });
          const answer = (await response.json()) as { baton?: unknown; results?: unknown[] };
          expect([200, 400]).toContain(response.status);
          if (response.status !== 200) continue;
          expect(answer.results?.length).toBe((requests as unknown[]).length);
          baton = answer.baton;
        }
        node.clock.advance(20_000);
        await node.gateway.close();
        expect(node.gateway.streamCount).toBe(0);
        expect(node.sql.openCount).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
