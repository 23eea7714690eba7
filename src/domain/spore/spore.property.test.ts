import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asNodeId } from "../../base/index.ts";
import { LatentMap } from "./latent-map.ts";
import { SporeWorld } from "./testing/spore-world.ts";
import { compareSides, type Side, writeReadiness } from "./write-readiness.ts";

const world = new SporeWorld(4);
/** Several records of each node; two of one sequence among them. */
const records = world.keys.flatMap((key) =>
  [1, 2, 3, 3].map((sequence, i) => world.signed(key, { sequence, addresses: [`10.0.0.${i}:1`] })),
);

const side: fc.Arbitrary<Side> = fc.record({
  hasQuorum: fc.boolean(),
  processedCount: fc.nat(3),
  uptimeMs: fc.nat(3),
  id: fc.constantFrom("a", "b", "c").map(asNodeId),
});

describe("spores", () => {
  test("all nodes that hear the same records hold the same map, in whatever order and how often", () => {
    const heard = fc.shuffledSubarray(records, { minLength: records.length });
    fc.assert(
      fc.property(heard, heard, (one, other) => {
        const [a, b] = [new LatentMap(9), new LatentMap(9)];
        for (const signed of one) a.merge(signed, 0);
        for (const signed of [...other, ...one]) b.merge(signed, 0);
        expect(a.entries()).toEqual(b.entries());
      }),
    );
  });

  test("compareSides() is a total order", () => {
    fc.assert(
      fc.property(side, side, side, (a, b, c) => {
        expect(Math.sign(compareSides(a, b)) + Math.sign(compareSides(b, a))).toBe(0);
        if (compareSides(a, b) >= 0 && compareSides(b, c) >= 0) {
          expect(compareSides(a, c)).toBeGreaterThanOrEqual(0);
        }
        if (compareSides(a, b) === 0) expect(a).toEqual(b);
      }),
    );
  });

  test("of several sides exactly one may write, unless an operator overrides", () => {
    fc.assert(
      fc.property(fc.uniqueArray(side, { minLength: 1, selector: ({ id }) => id }), (sides) => {
        const mayWrite = sides.filter((own) => {
          const others = sides.filter((other) => other !== own);
          expect(writeReadiness(own, others, true).mayWrite).toBe(true);
          return writeReadiness(own, others, false).mayWrite;
        });
        expect(mayWrite).toHaveLength(1);
      }),
    );
  });
});
