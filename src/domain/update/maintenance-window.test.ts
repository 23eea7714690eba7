import { expect, test } from "bun:test";
import { isInWindow } from "./maintenance-window.ts";

const at = (hours: number, minutes = 0) => hours * 60 + minutes;

test("a window holds from its first minute to before its last, over midnight too", () => {
  const night = (minute: number) => isInWindow("02:00-05:00", minute);
  expect([at(1, 59), at(2), at(4, 59), at(5)].map(night)).toEqual([false, true, true, false]);
  const late = (minute: number) => isInWindow("23:30-01:00", minute);
  expect([at(23, 29), at(23, 30), at(0), at(0, 59), at(1), at(12)].map(late)).toEqual([
    false,
    true,
    true,
    true,
    false,
    false,
  ]);
  expect(isInWindow("03:00-03:00", at(17))).toBe(true);
});
