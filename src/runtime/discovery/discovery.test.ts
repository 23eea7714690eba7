import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { asTerm, errorCodeOf } from "../../base/index.ts";
import {
  decodeSignedRecord,
  encodeSignedRecord,
  openSeedSpore,
  type SeedSpore,
} from "../../domain/spore/index.ts";
import { keyOf } from "../../domain/spore/testing/spore-world.ts";
import { decodeBundle, encodeBundle } from "./spore-bundle.ts";
import { DiscoveryWorld, FakeSeed, type TestNode } from "./testing/discovery-world.ts";

const RECORDS_TOPIC = "mycelium/records/1";

function startedWorld(nodeCount: number): DiscoveryWorld {
  const world = new DiscoveryWorld(nodeCount);
  world.startAll();
  return world;
}

function addressesOf(node: TestNode): readonly string[] {
  return node.told.flatMap(({ addresses }) => addresses);
}

function seedIn(world: DiscoveryWorld): SeedSpore | null {
  const content = world.seeds[0]?.content;
  if (content === undefined || content === null) return null;
  const verdict = openSeedSpore(content, {
    networkId: world.spores.network.id,
    nowMs: world.clock.wallMs(),
    mayVote: () => true,
  });
  return verdict.ok ? verdict.seed : null;
}

describe("discovery by gossip", () => {
  test("nodes hear of each other, and tell links and gossip whom to keep", () => {
    const world = startedWorld(5);
    world.clock.advance(1_000);
    for (const node of world.nodes) {
      expect(node.discovery.status().latent).toBe(5);
      expect(node.told).toHaveLength(4);
      expect(node.gossipPeers).toHaveLength(4);
      expect(addressesOf(node)).not.toContain(node.addresses[0]);
    }
    expect(world.rejectedCount).toBe(0);
    expect(world.fatal).toBeNull();
  });

  test("a changed address reaches the others within seconds, at once preferred", () => {
    const world = startedWorld(3);
    world.clock.advance(1_000);
    world.node(0).addresses = ["192.168.7.7:9090"];
    world.clock.advance(7_000);
    expect(addressesOf(world.node(1))).toContain("192.168.7.7:9090");
    expect(addressesOf(world.node(1))).not.toContain("10.0.0.1:9090");
  });

  test("a node that went stays known, and is latent no longer than its record lives", async () => {
    const world = startedWorld(2);
    world.clock.advance(1_000);
    await world.node(1).discovery.stop();
    expect(world.node(0).discovery.status().authority).toBe("latent");
    world.clock.advance(3_600_000);
    expect(world.node(0).told).toHaveLength(1);
    expect(world.node(0).discovery.status().authority).toBe("cached");
  });

  test("an excluded node is forgotten, and nothing it sends is taken", () => {
    const world = startedWorld(3);
    world.clock.advance(1_000);
    const [one, excluded] = [world.node(0), world.node(2).key.nodeId];
    one.revoked.add(excluded);
    one.discovery.membersChanged();
    expect(one.told).toHaveLength(1);
    world.clock.advance(400_000);
    expect(one.discovery.status().latent).toBe(2);
    expect(world.rejectedCount).toBeGreaterThan(0);
  });

  test("garbage, strangers and forgeries are refused, and change nothing", () => {
    const world = startedWorld(2);
    world.clock.advance(1_000);
    const { handler } = world.node(0);
    const from = world.node(1).key.nodeId;
    const stranger = encodeSignedRecord(world.spores.signed(keyOf(77)));
    for (const payload of [new Uint8Array(0), new Uint8Array(50_000), stranger]) {
      expect(handler?.message(RECORDS_TOPIC, from, payload)).toBe(false);
      expect(handler?.message("mycelium/primary/1", from, payload)).toBe(false);
    }
    expect(world.node(0).discovery.status().latent).toBe(2);
  });

  test("what was heard already is no fault of who passes it on", () => {
    const world = startedWorld(2);
    world.clock.advance(1_000);
    const signed = world.spores.signed(world.node(1).key, { sequence: 1 });
    const { handler } = world.node(0);
    const from = world.node(1).key.nodeId;
    expect(handler?.message(RECORDS_TOPIC, from, encodeSignedRecord(signed))).toBe(true);
  });

  test("nodes seen on the LAN are gossip peers before any record came", () => {
    const world = new DiscoveryWorld(2);
    world.gossipWorks = false;
    world.startAll();
    world.node(0).handler?.peerFound(world.node(1).key.nodeId, ["/ip4/10.0.0.2/tcp/9091"]);
    expect(world.node(0).gossipPeers.map(({ node }) => node)).toEqual([world.node(1).key.nodeId]);
  });
});

describe("discovery without gossip", () => {
  test("records come over links: from the first one, later from any", () => {
    const world = new DiscoveryWorld(3);
    world.gossipWorks = false;
    world.startAll();
    world.clock.advance(1_000);
    world.link(world.node(0), world.node(1));
    world.clock.advance(1_000);
    expect(world.node(0).discovery.status().latent).toBe(2);
    world.link(world.node(1), world.node(2));
    world.clock.advance(130_000);
    for (const node of world.nodes) expect(node.discovery.status().latent).toBe(3);
  });

  test("the cache of the last start tells where the others were", async () => {
    const world = startedWorld(3);
    world.clock.advance(1_000);
    await world.node(0).discovery.stop();
    world.gossipWorks = false;
    const again = world.node(0);
    again.told = [];
    void again.make().start();
    drainMicrotasks();
    expect(again.told).toHaveLength(2);
    expect(again.discovery.status().cached).toBe(3);
  });

  test("where a linked node is now is on disk at once", () => {
    const world = new DiscoveryWorld(2);
    world.gossipWorks = false;
    world.startAll();
    const [one, other] = [world.node(0), world.node(1)];
    const kept = () =>
      decodeBundle(one.cache.content ?? encodeBundle({ records: [], proof: null }, 10_000))
        .records.map(({ record }) => decodeSignedRecord(record).record)
        .filter(({ node }) => node === other.key.nodeId)
        .flatMap(({ addresses }) => addresses);
    world.clock.advance(1_000);
    world.link(one, other);
    world.clock.advance(0);
    expect(kept()).toEqual(["10.0.0.2:9090"]);
    other.addresses = ["10.0.7.2:9090"];
    world.clock.advance(6_000);
    world.link(one, other);
    world.clock.advance(0);
    expect(kept()).toEqual(["10.0.7.2:9090"]);
  });

  test("a damaged cache is left alone", async () => {
    const world = new DiscoveryWorld(1);
    world.node(0).cache.content = new Uint8Array([1, 2, 3]);
    world.startAll();
    world.clock.advance(1_000);
    expect(world.fatal).toBeNull();
    expect(world.node(0).discovery.status().cached).toBe(0);
  });

  test("a node that lost its cache outranks its own old record", async () => {
    const world = startedWorld(2);
    world.clock.advance(10_000);
    const [lost, other] = [world.node(0), world.node(1)];
    await lost.discovery.stop();
    lost.cache.content = null;
    lost.addresses = ["10.9.9.9:1"];
    void lost.make().start();
    world.clock.advance(10_000);
    expect(addressesOf(other)).toEqual(["10.9.9.9:1"]);
  });

  test("a bundle keeps the most recent records that fit", () => {
    const records = Array.from({ length: 50 }, (_, i) => {
      return { record: new Uint8Array(1_000).fill(i), seenAtMs: i };
    });
    const bundle = decodeBundle(encodeBundle({ records, proof: null }, 11_000));
    expect(bundle.records.length).toBe(9);
    expect(bundle.records[0]?.seenAtMs).toBe(49);
    expect(() => decodeBundle(new Uint8Array(9 << 20))).toThrow("Cannot read spores");
  });
});

describe("the primary's proof and the seed", () => {
  test("the leader collects signatures and writes the seed, and no other node does", () => {
    const world = new DiscoveryWorld(3, [new FakeSeed()]);
    world.startAll();
    world.elect();
    for (const node of world.nodes.slice(1)) world.link(world.node(0), node);
    world.clock.advance(25_000);
    const seed = seedIn(world);
    expect(seed?.writer).toBe(world.node(0).key.nodeId);
    expect(seed?.proof.signatures).toHaveLength(3);
    expect(seed?.records).toHaveLength(3);
    expect(world.fatal).toBeNull();
  });

  test("a leader without its voters proves nothing", () => {
    const world = new DiscoveryWorld(3, [new FakeSeed()]);
    world.startAll();
    world.elect();
    world.clock.advance(60_000);
    expect(world.seeds[0]?.content).toBeNull();
  });

  test("a voter signs no term, leader or configuration but its replica's", async () => {
    const world = startedWorld(3);
    world.elect();
    const [leader, voter] = [world.node(0), world.node(1)];
    const stated = world.spores.statement();
    const ask = (statement: typeof stated, from = leader) =>
      voter.discovery
        .handle(from.key.nodeId, "spore/prove", world.spores.proof(statement, []).payload)
        .then(() => "signed", errorCodeOf);
    expect(await ask({ ...stated, index: 60 as typeof stated.index })).toBe("signed");
    expect(await ask({ ...stated, term: asTerm(4) })).toBe("FORBIDDEN");
    expect(await ask({ ...stated, index: 61 as typeof stated.index })).toBe("FORBIDDEN");
    expect(await ask({ ...stated, leader: world.node(2).key.nodeId })).toBe("FORBIDDEN");
    expect(await ask({ ...stated, configuration: new Uint8Array(3) })).toBe("FORBIDDEN");
    expect(await ask(stated, world.node(2))).toBe("FORBIDDEN");
    const garbage = voter.discovery.handle(leader.key.nodeId, "spore/prove", new Uint8Array(9));
    expect(await garbage.then(() => "signed", errorCodeOf)).toBe("MALFORMED");
  });

  test("a node that knows nobody finds the others through the seed", () => {
    const world = new DiscoveryWorld(3, [new FakeSeed()]);
    const [leader, second, alone] = [world.node(0), world.node(1), world.node(2)];
    void leader.discovery.start();
    void second.discovery.start();
    drainMicrotasks();
    world.elect();
    world.link(leader, second);
    world.clock.advance(25_000);
    world.gossipWorks = false;
    alone.primary = null;
    void alone.discovery.start();
    world.clock.advance(3_000);
    expect(addressesOf(alone)).toEqual(expect.arrayContaining(["10.0.0.1:9090", "10.0.0.2:9090"]));
    expect(alone.discovery.status().authority).toBe("seed");
  });

  test("an unreachable or forged seed is told in the status, and hurts nothing", () => {
    const seed = new FakeSeed();
    const world = new DiscoveryWorld(1, [seed]);
    seed.isReachable = false;
    world.startAll();
    world.clock.advance(5_000);
    expect(world.node(0).discovery.status().seeds[0]?.problem).toContain("away");
    seed.isReachable = true;
    seed.content = new Uint8Array([1, 2, 3]);
    world.clock.advance(60_000);
    expect(world.node(0).discovery.status().seeds[0]?.problem).toContain("Cannot");
    expect(world.fatal).toBeNull();
  });

  test("the seed is not written again while nothing changes", () => {
    const seed = new FakeSeed();
    const world = new DiscoveryWorld(3, [seed]);
    world.startAll();
    world.elect();
    for (const node of world.nodes.slice(1)) world.link(world.node(0), node);
    world.clock.advance(30_000);
    const before = seed.writeCount;
    expect(before).toBeGreaterThan(0);
    world.clock.advance(600_000);
    expect(seed.writeCount - before).toBeLessThanOrEqual(10);
  });
});
