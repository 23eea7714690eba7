import { describe, expect, test } from "bun:test";
import { StatementBuffer } from "./statement-buffer.ts";

describe("StatementBuffer", () => {
  test("gives a statement when its semicolon comes", () => {
    const buffer = new StatementBuffer();
    expect(buffer.add("SELECT 1,")).toEqual([]);
    expect(buffer.isEmpty).toBe(false);
    expect(buffer.add("  2;")).toEqual(["SELECT 1,\n  2"]);
    expect(buffer.isEmpty).toBe(true);
  });

  test("gives several of one line and keeps the rest", () => {
    const buffer = new StatementBuffer();
    expect(buffer.add("SELECT 1; SELECT 2; SELECT")).toEqual(["SELECT 1", "SELECT 2"]);
    expect(buffer.isEmpty).toBe(false);
    expect(buffer.add("3;")).toEqual(["SELECT\n3"]);
  });

  test("is not fooled by semicolons in texts, comments and triggers", () => {
    const buffer = new StatementBuffer();
    expect(buffer.add("SELECT 'a;")).toEqual([]);
    expect(buffer.add("b' -- ;")).toEqual([]);
    expect(buffer.add("/* ; */;")).toHaveLength(1);
    expect(buffer.add("CREATE TRIGGER t AFTER INSERT ON a BEGIN")).toEqual([]);
    expect(buffer.add("  SELECT 1;")).toEqual([]);
    expect(buffer.add("END;")).toHaveLength(1);
    expect(buffer.isEmpty).toBe(true);
  });

  test("takes blank lines and comments for nothing", () => {
    const buffer = new StatementBuffer();
    expect(buffer.add("")).toEqual([]);
    expect(buffer.add("SELECT 1; -- done")).toEqual(["SELECT 1"]);
    expect(buffer.isEmpty).toBe(true);
    expect(buffer.add(";;")).toEqual([]);
    expect(buffer.isEmpty).toBe(true);
    expect(buffer.finish()).toEqual([]);
  });

  test("finish() gives what is left without a semicolon", () => {
    const buffer = new StatementBuffer();
    buffer.add("SELECT 1");
    expect(buffer.finish()).toEqual(["SELECT 1"]);
    expect(buffer.isEmpty).toBe(true);
  });

  test("clear() drops what was typed", () => {
    const buffer = new StatementBuffer();
    buffer.add("SELECT '");
    buffer.clear();
    expect(buffer.add("SELECT 1;")).toEqual(["SELECT 1"]);
  });
});
