import { expect, setDefaultTimeout, test } from "bun:test";
import { type Behaviour, RolloutSimulation } from "./testing/rollout-world.ts";

// A machine that is busy with other things takes its time.
setDefaultTimeout(60_000);

const SEEDS = Number(process.env["ROLLOUT_SEEDS"] ?? 120);
const FAULTY_STEPS = 100;
const STEPS_MAX = 700;

function run(seed: number, behaviour: Behaviour): RolloutSimulation {
  const world = new RolloutSimulation(seed, behaviour);
  for (let step = 0; step < STEPS_MAX && !(step > FAULTY_STEPS && world.ended); step++) {
    if (step === FAULTY_STEPS) world.heal();
    world.step();
  }
  return world;
}

function facts(world: RolloutSimulation) {
  const { state, reason } = world.store.plan;
  const switched = world.machines.filter(({ switches }) => switches > 0).length;
  return { state, reason, switched, broken: world.broken };
}

test("a good release ends everywhere it can, and no quorum is ever taken down for it", () => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = run(seed, "good");
    const { state, broken, reason } = facts(world);
    expect({ seed, broken }).toEqual({ seed, broken: [] });
    // A machine that crashed on trial and stayed away too long counts as failed: that, too, is an end.
    expect({ seed, reason, ended: ["done", "aborted", "reverted"].includes(state) }).toEqual({
      seed,
      reason,
      ended: true,
    });
    ends.set(state, (ends.get(state) ?? 0) + 1);
  }
  expect(ends.get("done") ?? 0).toBeGreaterThan(SEEDS / 2);
});

for (const behaviour of ["crashes", "hangs", "unhealthy", "lost"] as const) {
  test(`a release that ${behaviour === "lost" ? "takes the machine with it" : behaviour} never gets beyond its canary`, () => {
    for (let seed = 1; seed <= SEEDS / 2; seed++) {
      const world = run(seed, behaviour);
      const { state, switched, broken, reason } = facts(world);
      expect({ seed, switched: switched <= 1, broken }).toEqual({
        seed,
        switched: true,
        broken: [],
      });
      // Two voters cannot do without the one that is lost: then nothing is decided any more.
      if (behaviour === "lost" && world.voterCount <= 2 && switched > 0) continue;
      expect({ seed, reason, state: state !== "done" && state !== "rolling" }).toEqual({
        seed,
        reason,
        state: true,
      });
    }
  });
}
