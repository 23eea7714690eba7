import { expect, test } from "bun:test";
import { leaderWith, Replica, rowsOf, sql } from "./engine-fixture.ts";

const KEYED = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)";

test("an interactive transaction is one batch that followers execute alike", () => {
  const leader = leaderWith("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE TABLE o (x)");
  const context = leader.context();
  leader.engine.beginInteractive(context, "write");
  const parts = [
    ["BEGIN"],
    ["INSERT INTO t (b) VALUES (random()) RETURNING b", "INSERT INTO nowhere VALUES (1)"],
    ["INSERT INTO o SELECT changes() || total_changes() || last_insert_rowid()"],
    ["COMMIT"],
  ];
  const states = parts.map(
    (part) => leader.engine.stepInteractive(sql(...part).program, 2_000).autocommit,
  );
  expect(states).toEqual([false, false, false, true]);
  const whole = sql(...parts.flat());
  const sealed = leader.engine.sealInteractive(whole);
  expect(sealed.outcomes[0]?.kind).toBe("applied");
  leader.record(context, [whole], sealed.digest);
  const follower = new Replica();
  expect(follower.engine.apply(leader.log).map(String)).toEqual(leader.digests.map(String));
  expect(follower.tableHashes()).toEqual(leader.tableHashes());
});

test("an interactive transaction that is rolled back, lost or late leaves nothing", () => {
  const leader = leaderWith(KEYED);
  leader.run(sql("INSERT INTO t VALUES (1, 'x')"));
  const endless =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
  for (const last of ["ROLLBACK", "INSERT OR ROLLBACK INTO t VALUES (1, 'q')", endless]) {
    leader.engine.beginInteractive(leader.context(), "write");
    leader.engine.stepInteractive(sql("BEGIN", "INSERT INTO t VALUES (2, 'y')").program, 100);
    expect(leader.engine.stepInteractive(sql(last).program, 100).autocommit).toBe(true);
    expect(leader.engine.sealInteractive(sql("BEGIN")).outcomes[0]?.kind).toBe("unchanged");
    expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[1n]]);
  }
});
