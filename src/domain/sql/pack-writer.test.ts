import { expect, test } from "bun:test";
import { PackReader } from "./pack-reader.ts";
import { PackWriter } from "./pack-writer.ts";

const LONG = "x".repeat(3_000);

test("writers that live at once, or one after the other, share no bytes", () => {
  const first = new PackWriter();
  first.text("first");
  const second = new PackWriter();
  second.text(LONG);
  const third = new PackWriter();
  const written = second.finish();
  third.text("third");
  first.text(LONG);
  const reader = new PackReader(first.finish(), "the first");
  expect([reader.text(), reader.text()]).toEqual(["first", LONG]);
  expect(new PackReader(third.finish(), "the third").text()).toBe("third");
  expect(new PackReader(written, "the second").text()).toBe(LONG);
});

test("a writer that has finished is empty, and can be used again", () => {
  const writer = new PackWriter();
  writer.value(-(2n ** 40n));
  expect(writer.finish().length).toBe(9);
  expect(writer.sizeBytes).toBe(0);
  writer.value(-2n);
  writer.value(0.5);
  const reader = new PackReader(writer.finish(), "numbers");
  expect([reader.value(), reader.value()]).toEqual([-2n, 0.5]);
  reader.end();
});

test("texts that repeat are read as they were written, whatever lies between them", () => {
  const writer = new PackWriter();
  const texts = ["SELECT é", "SELECT é", "", "", "SELECT 1", "SELECT 2", LONG, LONG, "SELECT 2"];
  for (const [i, text] of texts.entries()) {
    writer.repeatedText(text);
    writer.varint(i);
  }
  const reader = new PackReader(writer.finish(), "texts");
  for (const [i, text] of texts.entries()) {
    expect(reader.repeatedText(10_000)).toBe(text);
    expect(reader.varint(100)).toBe(i);
  }
  reader.end();
});
