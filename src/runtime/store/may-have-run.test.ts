import { expect, test } from "bun:test";
import { type ErrorCode, MyceliumError } from "../../base/index.ts";
import { mayHaveRun } from "./may-have-run.ts";

function said(code: ErrorCode, details: { readonly sent?: boolean } = {}): boolean {
  return mayHaveRun(new MyceliumError(code, "", { details: { ...details } }));
}

test("mayHaveRun() is false only when nothing can have been done", () => {
  expect(said("NOT_LEADER")).toBe(false);
  expect(said("OVERLOADED")).toBe(false);
  expect(said("UNREACHABLE", { sent: false })).toBe(false);
  expect(said("UNREACHABLE", { sent: true })).toBe(true);
  expect(said("UNREACHABLE")).toBe(true);
  expect(said("TIMEOUT")).toBe(true);
  expect(said("OUTCOME_UNKNOWN")).toBe(true);
  expect(said("FORBIDDEN")).toBe(false);
});
