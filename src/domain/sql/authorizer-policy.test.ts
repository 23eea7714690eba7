import { expect, test } from "bun:test";
import { authorize } from "./authorizer-policy.ts";
import type { SqlRole } from "./program.ts";

const SELECT = 21;
const INSERT = 18;
const CREATE_TABLE = 2;
const READ = 20;
const FUNCTION = 31;
const PRAGMA = 19;

function judge(
  role: SqlRole,
  code: number,
  arg1: string | null,
  arg2: string | null = null,
  readOnly = false,
) {
  return authorize({ code, arg1, arg2 }, { role, readOnly })?.code ?? "OK";
}

test("readers read, writers write, the agent alone touches the store's tables, nobody the engine's", () => {
  expect(judge("read", SELECT, null)).toBe("OK");
  expect(judge("read", INSERT, "t")).toBe("SQLITE_READONLY");
  expect(judge("read", CREATE_TABLE, "t")).toBe("SQLITE_READONLY");
  expect(judge("write", INSERT, "t")).toBe("OK");
  expect(judge("write", CREATE_TABLE, "_MYCELIUM_x")).toBe("SQLITE_AUTH");
  expect(judge("write", READ, "_mycelium_node", "id", true)).toBe("SQLITE_AUTH");
  expect(judge("system", INSERT, "_mycelium_node")).toBe("OK");
  expect(judge("system", INSERT, "_mycelium_result")).toBe("SQLITE_AUTH");
});

test("transactions, attached files, temporary tables and unknown actions are refused to all", () => {
  for (const role of ["read", "write", "system"] as const) {
    for (const code of [3, 4, 5, 6, 12, 13, 14, 15, 22, 24, 25, 32, 99]) {
      expect([code, judge(role, code, "x")]).toEqual([code, "SQLITE_AUTH"]);
    }
  }
});

test("functions are judged by what they rest on", () => {
  expect(judge("write", FUNCTION, null, "random")).toBe("OK");
  expect(judge("write", FUNCTION, null, "LOWER")).toBe("OK");
  expect(judge("write", FUNCTION, null, "sin")).toBe("SQLITE_AUTH");
  expect(judge("write", FUNCTION, null, "sin", true)).toBe("OK");
  expect(judge("write", FUNCTION, null, "brand_new")).toBe("SQLITE_AUTH");
  expect(judge("system", FUNCTION, null, "load_extension", true)).toBe("SQLITE_AUTH");
});

test("PRAGMAs are allowed by name and by what they set", () => {
  expect(judge("read", PRAGMA, "table_info", "t")).toBe("OK");
  expect(judge("write", PRAGMA, "user_version", "4")).toBe("OK");
  expect(judge("read", PRAGMA, "user_version", "4")).toBe("SQLITE_READONLY");
  expect(judge("write", PRAGMA, "journal_mode", "WAL")).toBe("OK");
  expect(judge("write", PRAGMA, "journal_mode", "DELETE")).toBe("SQLITE_AUTH");
  expect(judge("system", PRAGMA, "writable_schema", "1")).toBe("SQLITE_AUTH");
});
