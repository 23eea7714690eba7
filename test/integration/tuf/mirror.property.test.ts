import { expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { MetadataStore } from "../../../src/adapters/release/metadata-store.ts";
import { StoreOrigin } from "../../../src/adapters/release/store-origin.ts";
import { TufClient } from "../../../src/adapters/release/tuf-client.ts";
import { errorCodeOf } from "../../../src/base/index.ts";
import { channelTargetName, tufReasonOf } from "../../../src/domain/update/index.ts";
import { makeKey, NOW_MS, ROLES, type RoleName, TestRepository } from "./test-repository.ts";

const CHANNEL = channelTargetName("stable");

/** What the publisher does between two refreshes. */
type Change = "nothing" | "new keys" | RoleName;
const change = fc.constantFrom<Change>("nothing", "new keys", ...ROLES);
type Lie = "older" | "other" | "cut" | "none";
/** What the mirror says of one role in one refresh; of all others it tells the truth. */
interface Answer {
  readonly role: RoleName;
  readonly lie: Lie;
  readonly pick: number;
}
const answer = fc.record<Answer>({
  role: fc.constantFrom(...ROLES),
  lie: fc.constantFrom<Lie>("older", "older", "older", "other", "cut", "none"),
  pick: fc.nat(20),
});
/** Half of the time it is honest: who trusts nothing is not led astray either. */
const steps = fc.array(fc.record({ change, answer: fc.option(answer, { freq: 2 }) }), {
  minLength: 4,
  maxLength: 8,
});

/** A publisher, and everything that was ever published by it. */
class Past {
  readonly repository = TestRepository.withRelease();
  /** By version of the timestamp: the hash of the channel's file, which differs in each. */
  readonly channelOf = new Map<number, string>();
  readonly files: Uint8Array[] = [];
  readonly ofRole: Record<RoleName, Uint8Array[]> = {
    root: [],
    targets: [],
    snapshot: [],
    timestamp: [],
  };
  #count = 0;

  constructor() {
    this.#note();
  }

  change(what: Change): void {
    const { repository } = this;
    if (what === "nothing") return;
    if (what === "new keys") repository.keys.timestamp = [makeKey()];
    if (what === "targets") repository.pointChannel("stable", `0.2.${++this.#count}`);
    // Each with what names it.
    const roles: readonly RoleName[] =
      what === "root" || what === "new keys"
        ? ["root", "timestamp"]
        : ROLES.slice(ROLES.indexOf(what));
    repository.publish(...roles);
    this.#note();
  }

  /** The truth, or an older file of that name, any other file, a part of the file, or none. */
  read(path: string, answer: Answer | null): Uint8Array | null {
    const truth = this.repository.files.get(path) ?? null;
    if (answer === null || !path.endsWith(`${answer.role}.json`)) return truth;
    const { lie, pick } = answer;
    if (lie === "cut") return truth?.slice(0, truth.length >> 1) ?? null;
    if (lie === "none") return null;
    const files = lie === "older" ? this.ofRole[answer.role] : this.files;
    return files[pick % files.length] ?? null;
  }

  #note(): void {
    const { repository } = this;
    const { targets } = repository.content("targets") as {
      targets: Record<string, { hashes: { sha256: string } }>;
    };
    this.channelOf.set(repository.versions.timestamp, targets[CHANNEL]!.hashes.sha256);
    for (const role of ROLES) {
      const bytes = repository.served(role);
      this.files.push(bytes);
      this.ofRole[role].push(bytes);
    }
  }
}

test("whatever a mirror mixes, what is trusted was published as one, and never goes back", async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const directory = fs.mkdtempSync(join(tmpdir(), "mirror-"));
      const past = new Past();
      let [newest, highestRoot] = [0, 1];
      for (const step of plan) {
        past.change(step.change);
        const mirror = new StoreOrigin(async (path) => past.read(path, step.answer));
        const store = new MetadataStore(directory);
        const client = new TufClient({ store, trustedRoot: past.repository.firstRoot });
        try {
          const found = await client.refresh(mirror, NOW_MS);
          const channel = await found.find(CHANNEL);
          expect(channel?.hashes.sha256).toBe(past.channelOf.get(found.version)!);
          expect(found.version).toBeGreaterThanOrEqual(newest);
          newest = found.version;
          accepted++;
        } catch (error) {
          const isRefused = tufReasonOf(error) !== undefined || errorCodeOf(error) === "TOO_LARGE";
          if (!isRefused) throw error;
        }
        const root = store.rootVersions().at(-1) ?? 0;
        expect(root).toBeGreaterThanOrEqual(highestRoot);
        highestRoot = root;
      }
      // An honest mirror mends everything.
      const store = new MetadataStore(directory);
      const client = new TufClient({ store, trustedRoot: past.repository.firstRoot });
      const found = await client.refresh(past.repository.origin, NOW_MS);
      expect(found.version).toBe(past.repository.versions.timestamp);
      fs.rmSync(directory, { recursive: true });
    }),
    { numRuns: 20 },
  );
  // Else it proved nothing.
  expect(accepted).toBeGreaterThan(5);
});
