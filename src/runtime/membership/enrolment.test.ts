import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf, MyceliumError } from "../../base/index.ts";
import { decodeJoinToken } from "../../domain/identity/index.ts";
import { createInvite, type InviteRequest } from "./invite.ts";
import { buildEnrolRequest, openEnrolReply } from "./join-request.ts";
import { announcement, key, NOW, root, World } from "./member-world.test.ts";

const HOUR = 3_600_000;
const isolationKey = new Uint8Array(32).fill(77);

let world: World;
beforeEach(async () => {
  world = await new World().start();
});

describe("joining", () => {
  test("a token makes a member who knows all it needs to run", async () => {
    const enrolled = await world.join(await world.invite(), key(2));
    expect(enrolled.network.id).toBe(world.network.id);
    expect(enrolled.isolationKey).toEqual(isolationKey);
    expect(enrolled.grant).toMatchObject({ member: key(2).nodeId, tier: 1, role: "validator" });
    expect(enrolled.groups).toEqual(["system", "main"]);
    expect(enrolled.members.members.map((one) => one.id).sort()).toEqual(
      [root.nodeId, key(2).nodeId].sort(),
    );
    expect(world.membership.member(key(2).nodeId)).toMatchObject({
      addresses: ["10.0.0.2:9090"],
      state: "active",
    });
    expect(world.membership.isValidator(key(2).nodeId)).toBe(true);
  });

  test("a joiner of tier 1 can answer the next one, whose grant still is tier 0's word", async () => {
    const token = await world.invite({ uses: 2 });
    const second = await world.join(token, key(2));
    const pending = world.request(token, key(3));
    const responder = world.enrolment({ key: key(2), grant: second.encodedGrant });
    const reply = await responder.handleEnrol(pending.body);
    expect(openEnrolReply(pending, reply, NOW).grant).toMatchObject({
      tier: 1,
      sponsor: root.nodeId,
    });
  });

  test("a joiner of tier 1 invites tier 2, and tier 2 invites nobody", async () => {
    const second = await world.join(await world.invite(), key(2));
    const options = {
      network: world.network,
      key: key(2),
      grant: second.encodedGrant,
      store: world.store,
      secretBytes: world.secretBytes,
    };
    const request: InviteRequest = {
      class: "rhizomorph",
      role: "miner",
      ttlMs: HOUR,
      uses: 1,
      addresses: ["a:1"],
    };
    const { token, tier } = await createInvite(options, request, NOW);
    expect(tier).toBe(2);
    const third = await world.join(token, key(3));
    expect(third.grant).toMatchObject({ tier: 2, sponsor: key(2).nodeId, role: "miner" });
    expect(third.groups).toEqual(["main"]);
    const lowest = { ...options, key: key(3), grant: third.encodedGrant };
    expect((await world.refused(createInvite(lowest, request, NOW))).code).toBe("FORBIDDEN");
  });

  test("a joiner whose reply was lost asks again and gets the same grant, not a second use", async () => {
    const token = await world.invite();
    const first = await world.join(token, key(2));
    world.nowMs += 5_000;
    const again = await world.join(token, key(2));
    expect(again.encodedGrant).toEqual(first.encodedGrant);
    expect(world.sql.rows("SELECT uses_left FROM _mycelium_tokens")).toEqual([{ uses_left: 0 }]);
  });

  test("a joiner whose first question is answered while it asks again is not told that the token is used", async () => {
    const token = await world.invite();
    const findToken = async (tokenKey: Uint8Array) => {
      await world.join(token, key(2));
      return world.store.findToken(tokenKey);
    };
    const store = new Proxy(world.store, {
      get: (target, name) =>
        name === "findToken" ? findToken : Reflect.get(target, name, target).bind(target),
    });
    const pending = world.request(token, key(2));
    const reply = await world.enrolment({ store }).handleEnrol(pending.body);
    expect(openEnrolReply(pending, reply, world.nowMs).grant.member).toBe(key(2).nodeId);
  });

  test("an unknown outcome is told, and asking again finds the grant", async () => {
    const token = await world.invite();
    world.sql.afterWrite = () => {
      world.sql.afterWrite = () => {};
      throw new MyceliumError("OUTCOME_UNKNOWN", "lost");
    };
    const pending = world.request(token, key(2));
    await expect(world.enrolment().handleEnrol(pending.body)).rejects.toThrow("lost");
    expect((await world.join(token, key(2))).grant.member).toBe(key(2).nodeId);
  });

  test("two who race for one use: one gets it", async () => {
    const token = await world.invite();
    const outcomes = await Promise.allSettled([
      world.join(token, key(2)),
      world.join(token, key(3)),
    ]);
    expect(outcomes.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(world.membership.members().length).toBe(2);
  });
});

describe("a joiner is refused, with a reason and without a trace,", () => {
  test("when the token is used up", async () => {
    const token = await world.invite();
    await world.join(token, key(2));
    expect((await world.refused(world.join(token, key(3)))).code).toBe("TOKEN_USED");
  });

  test("when the token has expired by the network's clock", async () => {
    const token = await world.invite({ ttlMs: 60_000 });
    const pending = world.request(token, key(2));
    world.nowMs += 61_000;
    const error = await world.refused(world.enrolment().handleEnrol(pending.body));
    expect(error.code).toBe("TOKEN_EXPIRED");
  });

  test("when the token is of another network", async () => {
    const other = await new World({ name: "other" }).start();
    const pending = other.request(await other.invite(), key(2));
    const error = await world.refused(world.enrolment().handleEnrol(pending.body));
    expect(error.code).toBe("WRONG_NETWORK");
  });

  test("when the network does not know the token's key", async () => {
    const forged = { ...decodeJoinToken(await world.invite(), NOW), seed: new Uint8Array(32) };
    const pending = buildEnrolRequest({
      token: forged,
      key: key(2),
      announcement,
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      wallMs: NOW,
      replySecret: new Uint8Array(32).fill(8),
    });
    const error = await world.refused(world.enrolment().handleEnrol(pending.body));
    expect(error.code).toBe("BAD_TOKEN");
    expect(error.message).toContain("mycelium token create");
  });

  test("when its clock is more than five minutes off, either way", async () => {
    const token = await world.invite();
    for (const [offMs, word] of [
      [301_000, "ahead"],
      [-301_000, "behind"],
    ] as const) {
      const error = await world.refused(world.join(token, key(2), { wallMs: NOW + offMs }));
      expect(error.code).toBe("CLOCK_OFF");
      expect(error.message).toContain(word);
    }
    await world.join(token, key(2), { wallMs: NOW - 299_000 });
  });

  test("when its version is too old, or the network's is for it", async () => {
    const token = await world.invite();
    for (const change of [{ protocolVersion: "0.9.9" }, { minProtocolVersion: "1.1.0" }]) {
      const error = await world.refused(world.join(token, key(2), change));
      expect(error.code).toBe("VERSION_UNSUPPORTED");
    }
  });

  test("when its release is too far from the one that answers", async () => {
    const token = await world.invite();
    for (const version of ["0.3.0", "1.0.0"]) {
      const error = await world.refused(
        world.join(token, key(2), { announcement: { ...announcement, version } }),
      );
      expect(error.code).toBe("VERSION_UNSUPPORTED");
      expect(error.message).toContain(`runs Mycelium 0.1.0, the other ${version}`);
    }
    await world.join(token, key(2), { announcement: { ...announcement, version: "0.2.0" } });
  });

  test("when its id is already present under another token", async () => {
    await world.join(await world.invite(), key(2));
    const token = await world.invite();
    expect((await world.refused(world.join(token, key(2)))).code).toBe("ALREADY_MEMBER");
    expect((await world.refused(world.join(token, root))).code).toBe("ALREADY_MEMBER");
  });

  test("when the network is full", async () => {
    const small = await new World({ nodeCountMax: 2 }).start();
    const token = await small.invite({ uses: 5 });
    await small.join(token, key(2));
    const error = await small.refused(small.join(token, key(3)));
    expect(error.code).toBe("NETWORK_FULL");
    expect(small.sql.rows("SELECT uses_left FROM _mycelium_tokens")).toEqual([{ uses_left: 4 }]);
  });

  test("when it was removed; one that left may come back", async () => {
    const token = await world.invite({ uses: 5 });
    await world.join(token, key(2));
    await world.store.remove(key(2).nodeId, "removed", NOW);
    await world.membership.refresh();
    expect((await world.refused(world.join(token, key(2)))).code).toBe("NOT_A_MEMBER");
    await world.join(token, key(3));
    expect(await world.store.beginLeave(key(3).nodeId)).toBe(true);
    await world.store.remove(key(3).nodeId, "left", NOW);
    await world.membership.refresh();
    expect((await world.join(token, key(3))).grant.member).toBe(key(3).nodeId);
  });

  test("when the store cannot write", async () => {
    const token = await world.invite();
    world.sql.beforeWrite = () => {
      throw new MyceliumError("NO_QUORUM", "no quorum");
    };
    expect((await world.refused(world.join(token, key(2)))).code).toBe("NO_QUORUM");
  });

  test("when any bit of its request is changed", async () => {
    const pending = world.request(await world.invite(), key(2));
    const before = world.trace();
    await fc.assert(
      fc.asyncProperty(fc.nat(pending.body.length * 8 - 1), async (bit) => {
        const body = pending.body.slice();
        body[bit >> 3]! ^= 1 << (bit & 7);
        const error: unknown = await world
          .enrolment()
          .handleEnrol(body)
          .catch((one) => one);
        expect(errorCodeOf(error)).toBeString();
      }),
      { numRuns: 300 },
    );
    expect(world.trace()).toEqual(before);
  });

  test("when it sends garbage or too much", async () => {
    const enrolment = world.enrolment();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (body) => {
        const error: unknown = await enrolment.handleEnrol(body).catch((one) => one);
        expect(errorCodeOf(error)).toBe("MALFORMED");
      }),
    );
    const large = await world.refused(enrolment.handleEnrol(new Uint8Array(100_000)));
    expect(large.code).toBe("TOO_LARGE");
  });
});

describe("a joiner refuses the answer", () => {
  test("of somebody who is no member, or of another network", async () => {
    const pending = world.request(await world.invite(), key(2));
    const stranger = world.enrolment({ key: key(9), grant: world.grantOf(key(9)) });
    const reply = await stranger.handleEnrol(pending.body);
    expect(() => openEnrolReply(pending, reply, NOW)).toThrow("is no member");
    const thief = world.enrolment({ key: key(9) });
    const stolen = await thief.handleEnrol(pending.body);
    expect(() => openEnrolReply(pending, stolen, NOW)).toThrow("signature does not fit");
  });

  test("with another isolation key, or for another attempt", async () => {
    const pending = world.request(await world.invite(), key(2));
    const liar = world.enrolment({ isolationKey: new Uint8Array(32) });
    const reply = await liar.handleEnrol(pending.body);
    expect(() => openEnrolReply(pending, reply, NOW)).toThrow("another isolation key");
    const other = { ...pending, replySecret: new Uint8Array(32).fill(3) };
    expect(() => openEnrolReply(other, reply, NOW)).toThrow("not sealed for this node");
  });

  test("with any bit changed", async () => {
    const pending = world.request(await world.invite(), key(2));
    const reply = await world.enrolment().handleEnrol(pending.body);
    expect(Buffer.from(reply).includes(Buffer.from(isolationKey))).toBe(false);
    fc.assert(
      fc.property(fc.nat(reply.length * 8 - 1), (bit) => {
        const body = reply.slice();
        body[bit >> 3]! ^= 1 << (bit & 7);
        let error: unknown = null;
        try {
          openEnrolReply(pending, body, NOW);
        } catch (thrown) {
          error = thrown;
        }
        expect(["MALFORMED", "UNAUTHORIZED"]).toContain(errorCodeOf(error)!);
      }),
      { numRuns: 300 },
    );
  });
});
