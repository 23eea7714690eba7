import { expect, test } from "bun:test";
import { isTowards, nextVersion, versionProblem } from "./rollout-proposal.ts";

test("versions run together when they are one minor apart at most", () => {
  expect(versionProblem("0.2.0", ["0.1.9", "0.2.0"])).toBeNull();
  expect(versionProblem("0.1.5", ["0.2.0"])).toBeNull();
  for (const running of ["0.0.9", "1.2.0", "dev"]) {
    expect(versionProblem("0.2.0", ["0.2.0", running])).toContain(running);
  }
});

test("a step goes towards the channel, one minor at a time, and takes nobody away from it", () => {
  const known = ["0.1.0", "0.1.4", "0.2.0", "0.2.3", "0.3.0", "0.4.0"];
  expect(nextVersion(["0.2.0"], "0.3.0", known)).toBe("0.3.0");
  expect(nextVersion(["0.1.0", "0.1.4"], "0.3.0", known)).toBe("0.2.3");
  expect(nextVersion(["0.1.0", "0.2.0"], "0.3.0", known)).toBe("0.2.3");
  expect(nextVersion(["0.1.0", "0.2.3"], "0.3.0", known)).toBe("0.2.3");
  expect(nextVersion(["0.0.9"], "0.3.0", ["0.3.0"])).toBeNull();
  expect(nextVersion(["0.3.0"], "0.2.3", known)).toBe("0.2.3");
  expect(nextVersion(["0.4.0"], "0.2.0", known)).toBe("0.3.0");
  expect(isTowards("0.1.4", ["0.2.0"], "0.3.0")).toBe(false);
  expect(isTowards("0.4.0", ["0.2.0"], "0.3.0")).toBe(false);
});
