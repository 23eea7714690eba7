import { describe, expect, test } from "bun:test";
import { formatResult } from "./format-result.ts";

const RESULT = {
  columns: ["id", "name", "data"],
  rows: [
    [1n, "plain", null],
    [-20n, 'a "b", c', Uint8Array.of(0, 255)],
    [9_007_199_254_740_993n, "日本 🍄", 2],
    [3n, "", "line\nbreak\x1b[31m"],
  ],
  affectedRowCount: 0,
};

describe("formatResult()", () => {
  test("aligns a table by what a terminal shows, and escapes control characters", () => {
    expect(formatResult(RESULT, "table")).toBe(
      [
        "id                name      data",
        "----------------  --------  ---------------------",
        "               1  plain     NULL",
        "             -20  a \"b\", c  X'00FF'",
        "9007199254740993  日本 🍄                     2.0",
        "               3            line\\nbreak\\u001b[31m",
        "",
      ].join("\n"),
    );
  });

  test("writes CSV as RFC 4180 has it", () => {
    expect(formatResult(RESULT, "csv")).toBe(
      'id,name,data\r\n1,plain,\r\n-20,"a ""b"", c",X\'00FF\'\r\n' +
        '9007199254740993,日本 🍄,2.0\r\n3,"","line\nbreak\x1b[31m"\r\n',
    );
  });

  test("writes JSON with every digit of an integer", () => {
    const text = formatResult(RESULT, "json");
    expect(text).toContain('"id":9007199254740993');
    const rows = JSON.parse(text) as Record<string, unknown>[];
    expect(rows[1]).toEqual({ id: -20, name: 'a "b", c', data: "X'00FF'" });
    expect(rows[0]?.["data"]).toBeNull();
    expect(JSON.parse(formatResult({ ...RESULT, rows: [] }, "json"))).toEqual([]);
  });

  test("infinite REALs are written so that they can be read", () => {
    const result = { columns: ["x"], rows: [[Number.NEGATIVE_INFINITY]], affectedRowCount: 0 };
    expect(JSON.parse(formatResult(result, "json"))).toEqual([{ x: Number.NEGATIVE_INFINITY }]);
    expect(formatResult(result, "csv")).toBe("x\r\n-Inf\r\n");
  });

  test("is empty for a statement without columns", () => {
    for (const format of ["table", "csv", "json"] as const) {
      expect(formatResult({ columns: [], rows: [], affectedRowCount: 3 }, format)).toBe("");
    }
  });
});
