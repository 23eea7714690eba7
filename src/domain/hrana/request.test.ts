import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf, messageOf } from "../../base/index.ts";
import { parseCursor, parsePipeline } from "./index.ts";

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(errorCodeOf(error)).toBe("MALFORMED");
    return messageOf(error);
  }
  throw new Error("was accepted");
}

function pipelineOf(request: unknown): unknown {
  return { baton: null, requests: [request] };
}

function batchOf(...steps: unknown[]): unknown {
  return pipelineOf({ type: "batch", batch: { steps } });
}

describe("parsePipeline()", () => {
  test("reads what @libsql/client sends for one statement", () => {
    const body = {
      requests: [
        {
          type: "execute",
          stmt: {
            sql: "SELECT ?",
            args: [{ type: "integer", value: "1" }],
            named_args: [],
            want_rows: true,
          },
        },
        { type: "close" },
      ],
    };
    expect(parsePipeline(body)).toEqual({
      baton: null,
      requests: [
        {
          type: "execute",
          stmt: {
            sqlId: null,
            statement: { sql: "SELECT ?", args: [1n], namedArgs: [], wantRows: true },
          },
        },
        { type: "close" },
      ],
    });
  });

  test("reads every request of the specification", () => {
    const requests = [
      { type: "store_sql", sql_id: 1, sql: "SELECT 1" },
      { type: "close_sql", sql_id: -1 },
      { type: "sequence", sql: "SELECT 1; SELECT 2" },
      { type: "sequence", sql_id: 1, sql: null },
      { type: "describe", sql: "SELECT 1" },
      { type: "get_autocommit" },
      { type: "close" },
    ];
    expect(parsePipeline({ baton: "b", requests }).requests.map(({ type }) => type)).toEqual(
      requests.map(({ type }) => type) as never,
    );
  });

  test("want_rows is true when it is left out", () => {
    const [request] = parsePipeline(pipelineOf({ type: "execute", stmt: { sql: "x" } })).requests;
    expect(request).toMatchObject({ stmt: { statement: { wantRows: true } } });
  });

  test("unknown fields are ignored", () => {
    const body = { baton: null, later: 1, requests: [{ type: "close", more: {} }] };
    expect(parsePipeline(body).requests).toEqual([{ type: "close" }]);
  });

  test("all conditions are read", () => {
    const condition = {
      type: "and",
      conds: [
        { type: "ok", step: 0 },
        { type: "not", cond: { type: "error", step: 0 } },
        { type: "or", conds: [{ type: "is_autocommit" }] },
      ],
    };
    const body = batchOf({ stmt: { sql: "a" } }, { stmt: { sql: "b" }, condition });
    expect(parsePipeline(body).requests[0]).toMatchObject({
      steps: [{ condition: null }, { condition }],
    });
  });

  test("a condition may not name itself or a later step", () => {
    const body = batchOf({ stmt: { sql: "a" }, condition: { type: "ok", step: 0 } });
    expect(refusal(() => parsePipeline(body))).toContain(
      "requests[0].batch.steps[0].condition.step",
    );
  });

  test("conditions nested too deep are refused", () => {
    let condition: unknown = { type: "is_autocommit" };
    for (let i = 0; i < 100_000; i++) condition = { type: "not", cond: condition };
    expect(refusal(() => parsePipeline(batchOf({ stmt: { sql: "a" }, condition })))).toContain(
      "at most 16 deep",
    );
  });

  test("both or neither of sql and sql_id are refused", () => {
    for (const stmt of [{}, { sql: "a", sql_id: 1 }]) {
      expect(refusal(() => parsePipeline(pipelineOf({ type: "execute", stmt })))).toContain(
        "either `sql` or `sql_id`",
      );
    }
  });

  test("too many requests, steps or arguments are refused", () => {
    const close = { type: "close" };
    refusal(() => parsePipeline({ requests: new Array(4_097).fill(close) }));
    refusal(() => parsePipeline(batchOf(...new Array(5_001).fill({ stmt: { sql: "a" } }))));
    const args = new Array(32_767).fill({ type: "null" });
    refusal(() => parsePipeline(pipelineOf({ type: "execute", stmt: { sql: "a", args } })));
  });

  test("anything else is refused as MALFORMED and by nothing else", () => {
    const anyRequest = fc.oneof(
      fc.jsonValue(),
      fc.record({
        type: fc.constantFrom("execute", "batch", "sequence", "describe", "store_sql", "x"),
        stmt: fc.jsonValue(),
        batch: fc.oneof(fc.jsonValue(), fc.record({ steps: fc.array(fc.jsonValue()) })),
        sql: fc.jsonValue(),
        sql_id: fc.jsonValue(),
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(anyRequest)), (requests) => {
        for (const parse of [() => parsePipeline({ requests }), () => parseCursor(requests)]) {
          try {
            parse();
          } catch (error) {
            expect(errorCodeOf(error)).toBe("MALFORMED");
          }
        }
      }),
    );
  });
});

test("parseCursor() reads a baton and a batch", () => {
  const body = { baton: "b", batch: { steps: [{ stmt: { sql_id: 7 } }] } };
  expect(parseCursor(body)).toMatchObject({ baton: "b", steps: [{ stmt: { sqlId: 7 } }] });
});
