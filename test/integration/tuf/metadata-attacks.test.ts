import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { MetadataStore } from "../../../src/adapters/release/metadata-store.ts";
import { StoreOrigin } from "../../../src/adapters/release/store-origin.ts";
import { TufClient } from "../../../src/adapters/release/tuf-client.ts";
import { fromUtf8, utf8 } from "../../../src/base/index.ts";
import { type JsonObject, metadataPath, tufReasonOf } from "../../../src/domain/update/index.ts";
import { makeKey, NOW_MS, ROLES, type RoleName, TestRepository } from "./test-repository.ts";

const DAY_MS = 86_400_000;
let directory: string;
let repository: TestRepository;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tuf-"));
  repository = TestRepository.withRelease();
});
afterEach(() => rmSync(directory, { recursive: true }));

function client(trustedRoot = repository.firstRoot): TufClient {
  return new TufClient({ store: new MetadataStore(directory), trustedRoot });
}

/** "ok", the reason of the refusal, or whatever else went wrong. */
async function refresh(nowMs = NOW_MS): Promise<string> {
  try {
    await client().refresh(repository.origin, nowMs);
    return "ok";
  } catch (error) {
    return tufReasonOf(error) ?? `unexpected: ${String(error)}`;
  }
}

/** The versions on disk: what the client trusts. */
function trusted(): Record<string, number> {
  const store = new MetadataStore(directory);
  const entries = ROLES.flatMap((role) => {
    const bytes = store.read(role);
    return bytes === null ? [] : [[role, JSON.parse(fromUtf8(bytes)).signed.version]];
  });
  return Object.fromEntries(entries);
}

/** What a role would say now, changed, with its version raised. */
function forged(role: RoleName, changes: JsonObject = {}): JsonObject {
  repository.versions[role]++;
  return { ...repository.content(role), ...changes };
}

test("a trusted root that is none, or that has not signed itself, is refused at once", () => {
  const unsigned = repository.sign("root", repository.content("root"), []);
  for (const [root, reason] of [
    [utf8("{}"), "malformed"],
    [repository.served("timestamp"), "malformed"],
    [unsigned, "signatures"],
  ] as const) {
    let error: unknown;
    try {
      client(root);
    } catch (thrown) {
      error = thrown;
    }
    expect(tufReasonOf(error)).toBe(reason);
  }
});

test("what the publisher signed is trusted, and asked for only once", async () => {
  expect(await refresh()).toBe("ok");
  const asked: string[] = [];
  const origin = new StoreOrigin(async (path) => {
    asked.push(path);
    return repository.files.get(path) ?? null;
  });
  const again = await client().refresh(origin, NOW_MS);
  expect(asked).toEqual(["metadata/2.root.json", "metadata/timestamp.json"]);
  expect((await again.find("channels/stable.json"))?.length).toBeGreaterThan(0);
});

describe("old metadata is refused", () => {
  test("a timestamp that was replaced since", async () => {
    const old = repository.served("timestamp");
    repository.publish("timestamp");
    expect(await refresh()).toBe("ok");
    repository.serve("timestamp", old);
    expect(await refresh()).toBe("rollback");
    expect(trusted()["timestamp"]).toBe(2);
  });

  test("a snapshot under a new timestamp", async () => {
    repository.publish("snapshot", "timestamp");
    expect(await refresh()).toBe("ok");
    repository.versions.snapshot = 1;
    repository.publish("timestamp");
    expect(await refresh()).toBe("rollback");
    expect(trusted()).toMatchObject({ timestamp: 2, snapshot: 2 });
  });

  test("targets under a new snapshot", async () => {
    repository.publish("targets", "snapshot", "timestamp");
    expect(await refresh()).toBe("ok");
    repository.versions.targets = 1;
    repository.publish("snapshot", "timestamp");
    expect(await refresh()).toBe("rollback");
    expect(trusted()).toMatchObject({ snapshot: 2, targets: 2 });
  });

  test("targets that vanished from the snapshot", async () => {
    expect(await refresh()).toBe("ok");
    repository.serve("snapshot", repository.sign("snapshot", forged("snapshot", { meta: {} })));
    repository.publish("timestamp");
    expect(await refresh()).toBe("rollback");
  });

  test("a root of the past under the next name", async () => {
    repository.files.set(metadataPath("root", 2), repository.firstRoot);
    expect(await refresh()).toBe("version");
    expect(trusted()).toEqual({ root: 1 });
  });
});

describe("mixed metadata is refused", () => {
  test("the snapshot of another moment under the name that the timestamp asks for", async () => {
    const old = repository.served("snapshot");
    repository.publish("targets", "snapshot", "timestamp");
    repository.serve("snapshot", old);
    expect(await refresh()).toBe("hash");
  });

  test("targets of another moment, also where the snapshot names no hash", async () => {
    const old = repository.served("targets");
    repository.publish("targets");
    repository.serve("targets", old);
    const meta = { "targets.json": { version: 2 } };
    repository.serve("snapshot", repository.sign("snapshot", forged("snapshot", { meta })));
    repository.publish("timestamp");
    expect(await refresh()).toBe("version");
  });

  test("a snapshot of another moment, also where the timestamp names no hash", async () => {
    const old = repository.served("snapshot");
    repository.publish("snapshot");
    repository.serve("snapshot", old);
    const meta = { "snapshot.json": { version: 2 } };
    repository.serve("timestamp", repository.sign("timestamp", forged("timestamp", { meta })));
    expect(await refresh()).toBe("version");
  });

  test("other targets of the same version, though their keys signed them", async () => {
    const other = { ...repository.content("targets"), targets: {} };
    repository.serve("targets", repository.sign("targets", other));
    expect(await refresh()).toBe("size");
  });

  test("metadata of one role in the place of another", async () => {
    const snapshot = repository.content("snapshot");
    repository.serve("timestamp", repository.sign("timestamp", snapshot));
    expect(await refresh()).toBe("malformed");
  });

  test("a mirror that keeps back what its timestamp names", async () => {
    repository.publish("snapshot", "timestamp");
    repository.files.delete(metadataPath("snapshot", 2));
    expect(await refresh()).toBe("missing");
  });
});

describe("expired metadata is refused", () => {
  test.each([...ROLES])("%s", async (role) => {
    expect(await refresh()).toBe("ok");
    repository.expires[role] = NOW_MS - 1_000;
    repository.publish(...ROLES);
    expect(await refresh()).toBe("expired");
  });

  test("a mirror that freezes the network at a moment of the past", async () => {
    expect(await refresh()).toBe("ok");
    expect(await refresh(NOW_MS + 8 * DAY_MS)).toBe("expired");
  });

  test("an expired root is still the way to the next one", async () => {
    repository.expires.root = NOW_MS - DAY_MS;
    repository.publish("root");
    expect(await refresh()).toBe("expired");
    repository.expires.root = NOW_MS + DAY_MS;
    repository.publish("root");
    expect(await refresh()).toBe("ok");
    expect(trusted()["root"]).toBe(3);
  });
});

describe("wrong keys are refused", () => {
  test.each([...ROLES])("%s signed by strangers under the ids of its keys", async (role) => {
    const strangers = repository.keys[role].map(({ id }) => ({ ...makeKey(), id }));
    repository.serve(role, repository.sign(role, forged(role), strangers));
    const rest = ROLES.slice(ROLES.indexOf(role) + 1);
    repository.publish(...rest.filter((name) => name !== "targets"));
    expect(await refresh()).toBe("signatures");
  });

  test("one stolen key of targets is not two, under whatever ids", async () => {
    const thief = repository.keys.targets[0]!;
    const copies = [thief, { ...thief, id: repository.keys.targets[1]!.id }];
    const evil = forged("targets", { targets: {} });
    for (const keys of [[thief], copies]) {
      repository.serve("targets", repository.sign("targets", evil, keys));
      repository.publish("snapshot", "timestamp");
      expect(await refresh()).toBe("signatures");
    }
  });

  test("one key listed under two ids is still one", async () => {
    const thief = repository.keys.targets[0]!;
    repository.keys.targets = [thief, { ...thief, id: "a".repeat(64) }];
    repository.publish(...ROLES);
    expect(await refresh()).toBe("signatures");
  });

  test("one stolen key of root cannot name other keys", async () => {
    const thief = repository.keys.root[0]!;
    repository.keys.root = [thief];
    repository.thresholds.root = 1;
    repository.publish("root");
    expect(await refresh()).toBe("signatures");
    expect(trusted()).toEqual({ root: 1 });
  });

  test("the same signature twice is refused outright", async () => {
    const key = repository.keys.timestamp[0]!;
    const twice = repository.sign("timestamp", repository.content("timestamp"), [key, key]);
    repository.serve("timestamp", twice);
    expect(await refresh()).toBe("malformed");
  });
});

describe("keys are changed by a root that old and new keys sign", () => {
  test("a new set of root keys takes over step by step", async () => {
    const old = [...repository.keys.root];
    repository.keys.root = [makeKey(), makeKey(), makeKey()];
    repository.versions.root++;
    const content = repository.content("root");
    repository.serve("root", repository.sign("root", content, repository.keys.root));
    expect(await refresh()).toBe("signatures");
    repository.serve("root", repository.sign("root", content, old));
    expect(await refresh()).toBe("signatures");
    const both = [...old.slice(0, 2), ...repository.keys.root];
    repository.serve("root", repository.sign("root", content, both));
    expect(await refresh()).toBe("ok");
    repository.publish("root");
    expect(await refresh()).toBe("ok");
    expect(trusted()["root"]).toBe(3);
  });

  test("versions that a thief made too high are forgotten with his key", async () => {
    repository.versions.timestamp =
      repository.versions.snapshot =
      repository.versions.targets =
        900;
    repository.publish("targets", "snapshot", "timestamp");
    expect(await refresh()).toBe("ok");
    expect(trusted()["timestamp"]).toBe(901);
    repository.versions.timestamp = repository.versions.snapshot = repository.versions.targets = 1;
    repository.publish("targets", "snapshot", "timestamp");
    expect(await refresh()).toBe("rollback");
    for (const role of ["timestamp", "snapshot"] as const) repository.keys[role] = [makeKey()];
    repository.publish(...ROLES);
    expect(await refresh()).toBe("ok");
    expect(trusted()).toEqual({ root: 2, timestamp: 3, snapshot: 3, targets: 3 });
  });

  test("they are also forgotten when a key is added and the old one stays", async () => {
    repository.versions.timestamp = 900;
    repository.publish("timestamp");
    expect(await refresh()).toBe("ok");
    repository.versions.timestamp = 1;
    repository.keys.timestamp.push(makeKey());
    repository.publish("root", "timestamp");
    expect(await refresh()).toBe("ok");
    expect(trusted()).toMatchObject({ root: 2, timestamp: 2 });
  });
});

describe("what is on this node's disk", () => {
  test("may be damaged: it is fetched again", async () => {
    expect(await refresh()).toBe("ok");
    for (const name of readdirSync(directory).filter((file) => file.endsWith(".json"))) {
      writeFileSync(join(directory, name), "{");
    }
    expect(await refresh()).toBe("ok");
    expect(trusted()).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1 });
  });

  test("is forgotten when the root of another publisher is configured", async () => {
    repository.publish("timestamp");
    expect(await refresh()).toBe("ok");
    repository = TestRepository.withRelease("0.3.0");
    expect(await refresh()).toBe("ok");
    expect(trusted()["timestamp"]).toBe(1);
  });
});

test("no change of a byte gets other targets trusted, whoever makes it", async () => {
  const genuine = await client().refresh(repository.origin, NOW_MS);
  const wanted = await genuine.find("0.2.0/mycelium-linux-x64");
  const files = repository.snapshotOfFiles();
  const role = fc.constantFrom<RoleName>("targets", "snapshot", "timestamp");
  await fc.assert(
    fc.asyncProperty(role, fc.nat(), fc.integer({ min: 1, max: 255 }), async (name, at, flip) => {
      rmSync(directory, { recursive: true });
      repository.serveAgain(files);
      const changed = repository.served(name).slice();
      changed[at % changed.length]! ^= flip;
      repository.serve(name, changed);
      try {
        const found = await client().refresh(repository.origin, NOW_MS);
        // White space between signed parts, or a signature more than needed.
        expect(await found.find("0.2.0/mycelium-linux-x64")).toEqual(wanted);
      } catch (error) {
        expect(tufReasonOf(error)).toBeDefined();
      }
    }),
    { numRuns: 60 },
  );
});

test("nonsense of every kind is malformed, never a crash", async () => {
  const deep = `{"signed":${"[".repeat(5_000)}${"]".repeat(5_000)},"signatures":[]}`;
  const content = repository.content("timestamp");
  const wrong = [
    "",
    "null",
    "[]",
    deep,
    "\u0000",
    JSON.stringify({ signatures: [], signed: { ...content, version: 1.5 } }),
    JSON.stringify({ signatures: [], signed: { ...content, spec_version: "2.0" } }),
    JSON.stringify({ signatures: [], signed: { ...content, expires: "tomorrow" } }),
    JSON.stringify({ signatures: [], signed: { ...content, meta: [] } }),
    JSON.stringify({ signatures: {}, signed: content }),
  ];
  for (const text of wrong) {
    repository.serve("timestamp", utf8(text));
    expect(await refresh()).toBe("malformed");
  }
  repository.serve("timestamp", Uint8Array.of(0xff, 0xfe));
  expect(await refresh()).toBe("malformed");
});
