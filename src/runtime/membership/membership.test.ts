import { beforeEach, describe, expect, test } from "bun:test";
import { asLogIndex } from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import { decodeMemberList } from "./member.ts";
import { REVOKED_MAX } from "./member-store.ts";
import { announcement, key, NOW, root, World } from "./member-world.test.ts";

let world: World;
beforeEach(async () => {
  world = await new World().start();
});

describe("Membership", () => {
  const hello = (node: NodeKey, grant: Uint8Array, wallMs = NOW) => ({
    node: node.nodeId,
    instance: "i",
    protocolVersion: "1.0.0",
    minProtocolVersion: "1.0.0",
    features: [],
    grant,
    wallMs,
    addresses: [],
  });

  test("admits members and newcomers by their grant, and nobody else", async () => {
    const token = await world.invite({ uses: 2 });
    const { encodedGrant } = await world.join(token, key(2));
    const { membership } = world;
    expect(membership.admit(hello(key(2), encodedGrant))).toEqual({ ok: true });
    expect(membership.admit(hello(key(3), encodedGrant))).toMatchObject({ code: "NOT_A_MEMBER" });
    const stranger = membership.admit(hello(key(9), world.grantOf(key(9))));
    expect(stranger).toMatchObject({ ok: false, code: "NOT_A_MEMBER" });
    const late = membership.admit(hello(key(2), encodedGrant, NOW + 400_000));
    expect(late).toMatchObject({ code: "CLOCK_OFF" });
    const garbage = membership.admit(hello(key(2), Uint8Array.of(1)));
    expect(garbage).toMatchObject({ ok: false, code: "MALFORMED" });
    const fresh = await new World().start();
    expect(fresh.membership.admit(hello(key(2), encodedGrant))).toEqual({ ok: true });
    expect(fresh.membership.isValidator(key(2).nodeId)).toBe(true);
  });

  test("refuses who left or was removed, though the grant still holds", async () => {
    const token = await world.invite({ uses: 2 });
    for (const [n, reason] of [
      [2, "left"],
      [3, "removed"],
    ] as const) {
      const { encodedGrant } = await world.join(token, key(n));
      await world.store.remove(key(n).nodeId, reason, NOW);
      await world.membership.refresh();
      const verdict = world.membership.admit(hello(key(n), encodedGrant));
      expect(verdict).toMatchObject({ ok: false, code: "NOT_A_MEMBER" });
      expect(world.membership.isValidator(key(n).nodeId)).toBe(false);
    }
  });

  test("who was removed stays so, though the leader finds that it left as well", async () => {
    const { encodedGrant } = await world.join(await world.invite(), key(2));
    await world.store.remove(key(2).nodeId, "removed", NOW);
    await world.store.remove(key(2).nodeId, "left", NOW);
    await world.membership.refresh();
    const verdict = world.membership.admit(hello(key(2), encodedGrant));
    expect(verdict).toMatchObject({ message: expect.stringContaining("was removed") });
  });

  test("a list that is behind loses nobody, and one that names who left does", async () => {
    const { members } = (await world.join(await world.invite(), key(2))).members;
    const { membership } = world;
    const old = { members: members.slice(0, 1), revoked: [], asOf: asLogIndex(0) };
    membership.replace({ ...old, members });
    membership.replace(old);
    expect(membership.peers().map((peer) => peer.node)).toEqual([key(2).nodeId]);
    expect(membership.isValidator(key(2).nodeId)).toBe(true);
    membership.replace({ ...old, revoked: [{ id: key(2).nodeId, reason: "left" }] });
    expect(membership.peers()).toEqual([]);
    expect(membership.isValidator(key(2).nodeId)).toBe(false);
  });

  test("a list of an earlier index of the log replaces none of a later one", async () => {
    const { members } = (await world.join(await world.invite(), key(2))).members;
    const { membership } = world;
    const at = (index: number, addresses: string[]) => ({
      members: members.map((member) => ({ ...member, addresses })),
      revoked: [],
      asOf: asLogIndex(index),
    });
    const known = () => membership.peers().flatMap(({ addresses }) => addresses);
    membership.replace(at(7, ["10.0.0.7:1"]));
    membership.replace(at(6, ["10.0.0.6:1"]));
    expect(known()).toEqual(["10.0.0.7:1"]);
    membership.replace(at(9, ["10.0.0.7:1"]));
    membership.replace(at(8, ["10.0.0.8:1"]));
    expect(known()).toEqual(["10.0.0.7:1"]);
    expect(decodeMemberList(membership.encodedList())).toEqual(at(9, ["10.0.0.7:1"]));
    membership.replace(at(9, ["10.0.0.9:1"]));
    expect(known()).toEqual(["10.0.0.9:1"]);
    membership.replace(at(0, ["10.0.0.1:1"]));
    expect(known()).toEqual(["10.0.0.1:1"]);
  });

  test("tells listeners of each change once", async () => {
    const seen: number[] = [];
    const stop = world.membership.onChange((list) => seen.push(list.members.length));
    await world.membership.refresh();
    await world.join(await world.invite(), key(2));
    await Promise.all([world.membership.refresh(), world.membership.refresh()]);
    expect(seen).toEqual([2]);
    stop();
    await world.store.announce(key(2).nodeId, { ...announcement, addresses: ["10.0.0.9:1"] }, NOW);
    await world.membership.refresh();
    expect(seen).toEqual([2]);
    expect(world.membership.peers()).toEqual([{ node: key(2).nodeId, addresses: ["10.0.0.9:1"] }]);
  });

  test("a new life of a replica is counted, and an announcement of no member is not taken", async () => {
    expect(await world.store.beginReplicaLife(root.nodeId)).toBe(1);
    expect((await world.refused(world.store.beginReplicaLife(key(9).nodeId))).code).toBe(
      "NOT_A_MEMBER",
    );
    await world.membership.refresh();
    expect(world.membership.member(root.nodeId)?.replicaLife).toBe(1);
    expect(await world.store.announce(key(9).nodeId, announcement, NOW)).toBe(false);
  });

  test("of those who are no members any more, the ones that left longest ago are forgotten first", async () => {
    world.sql.rows(`
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${REVOKED_MAX})
      INSERT INTO _mycelium_revoked SELECT 'node' || i, iif(i > 2, 'left', 'removed'), i FROM n`);
    await world.store.remove(key(2).nodeId, "left", NOW);
    const kept = world.sql
      .rows("SELECT node_id FROM _mycelium_revoked")
      .map(({ node_id }) => node_id);
    expect(kept).toHaveLength(REVOKED_MAX);
    expect(kept).not.toContain("node3");
    expect(kept).toContain("node1");
    expect(kept).toContain("node4");
    expect(kept).toContain(key(2).nodeId);
  });

  test("before the tables are there the list is unknown, and making them twice is harmless", async () => {
    const empty = new World();
    expect(await empty.store.readAll()).toBeNull();
    await empty.start();
    await empty.start();
    expect(empty.membership.members().length).toBe(1);
  });
});
