/** What Drizzle and Kysely do over libSQL's client: migrations, table rebuilds, typed queries, transactions. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client/http";
import { eq, relations, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql/http";
import { migrate } from "drizzle-orm/libsql/migrator";
import { integer, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { type Generated, Kysely, sql as ksql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { libsqlDialect } from "./kysely-libsql.ts";
import type { SuiteNode } from "./suite-node.ts";

const BREAK = "\n--> statement-breakpoint\n";

/** As drizzle-kit writes them; the second one rebuilds a table that another refers to. */
const MIGRATIONS: readonly string[] = [
  [
    "CREATE TABLE `users` (\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`name` text NOT NULL,\n\t`score` real,\n\t`created_at` integer DEFAULT (unixepoch()) NOT NULL\n);",
    "CREATE TABLE `posts` (\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`author` integer NOT NULL,\n\t`body` text,\n\tFOREIGN KEY (`author`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade\n);",
    "CREATE UNIQUE INDEX `users_name_unique` ON `users` (`name`);",
    "INSERT INTO `users` (`name`) VALUES ('before');",
    "INSERT INTO `posts` (`author`) VALUES (1);",
  ].join(BREAK),
  [
    "PRAGMA foreign_keys=OFF;",
    "CREATE TABLE `__new_users` (\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`name` text NOT NULL,\n\t`score` real DEFAULT 0,\n\t`created_at` integer DEFAULT (unixepoch()) NOT NULL\n);",
    'INSERT INTO `__new_users`("id", "name", "score", "created_at") SELECT "id", "name", "score", "created_at" FROM `users`;',
    "DROP TABLE `users`;",
    "ALTER TABLE `__new_users` RENAME TO `users`;",
    "PRAGMA foreign_keys=ON;",
    "CREATE UNIQUE INDEX `users_name_unique` ON `users` (`name`);",
  ].join(BREAK),
  [
    "ALTER TABLE `users` ADD `email` text;",
    "ALTER TABLE `posts` RENAME COLUMN `body` TO `content`;",
  ].join(BREAK),
];

const users = sqliteTable("users", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique(),
  score: real("score").default(0),
  createdAt: integer("created_at", { mode: "timestamp" }).notNull().default(sql`(unixepoch())`),
  email: text("email"),
});

const posts = sqliteTable("posts", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  author: integer("author")
    .notNull()
    .references(() => users.id, { onDelete: "cascade" }),
  content: text("content", { mode: "json" }).$type<{ title: string }>(),
});

const userRelations = relations(users, ({ many }) => ({ posts: many(posts) }));
const postRelations = relations(posts, ({ one }) => ({
  user: one(users, { fields: [posts.author], references: [users.id] }),
}));

function writeMigrations(folder: string, count: number): void {
  mkdirSync(join(folder, "meta"), { recursive: true });
  const entries = MIGRATIONS.slice(0, count).map((content, idx) => {
    const tag = `000${idx}_step`;
    writeFileSync(join(folder, `${tag}.sql`), content);
    return { idx, version: "6", when: 1_700_000_000_000 + idx, tag, breakpoints: true };
  });
  const journal = { version: "7", dialect: "sqlite", entries };
  writeFileSync(join(folder, "meta", "_journal.json"), JSON.stringify(journal));
}

export function ormSuite(name: string, startNode: () => SuiteNode | Promise<SuiteNode>): void {
  describe(`ORMs on ${name}`, () => {
    let node: SuiteNode;
    let client: Client;
    let folder: string;

    beforeAll(async () => {
      node = await startNode();
      client = createClient({ url: node.url, authToken: node.writeToken });
      folder = mkdtempSync(join(tmpdir(), "drizzle-"));
    });
    afterAll(async () => {
      client.close();
      rmSync(folder, { recursive: true });
      await node.stop();
    });

    drizzleCases(
      () => client,
      () => folder,
    );
    kyselyCases(() => client);
  });
}

function drizzleCases(client: () => Client, folder: () => string): void {
  const database = () =>
    drizzle(client(), { schema: { users, posts, userRelations, postRelations } });

  describe("Drizzle", () => {
    test("migrates step by step, and twice does nothing", async () => {
      for (const count of [1, 2, 3, 3]) {
        writeMigrations(folder(), count);
        await migrate(database(), { migrationsFolder: folder() });
      }
      const applied = await client().execute("SELECT count(*) FROM __drizzle_migrations");
      expect(applied.rows[0]?.[0]).toBe(3);
      // The rebuilt table kept its rows, and its referrers theirs.
      expect(await database().select().from(posts)).toEqual([{ id: 1, author: 1, content: null }]);
    });

    test("inserts, selects, updates and deletes", async () => {
      const inserted = await database()
        .insert(users)
        .values([{ name: "ada", score: 1.5, email: "ada@example.org" }, { name: "bob" }])
        .returning();
      expect(inserted.map(({ name, score }) => [name, score])).toEqual([
        ["ada", 1.5],
        ["bob", 0],
      ]);
      expect(inserted[0]?.createdAt).toBeInstanceOf(Date);
      await database().update(users).set({ score: 9 }).where(eq(users.name, "bob"));
      const [bob] = await database().select().from(users).where(eq(users.name, "bob"));
      expect(bob?.score).toBe(9);
      await database()
        .insert(users)
        .values({ name: "bob", score: 3 })
        .onConflictDoUpdate({ target: users.name, set: { score: 4 } });
      await database().delete(users).where(eq(users.name, "ada"));
      const left = await database().select({ name: users.name, score: users.score }).from(users);
      expect(left).toEqual([
        { name: "before", score: null },
        { name: "bob", score: 4 },
      ]);
    });

    test("asks for relations and keeps JSON", async () => {
      await database()
        .insert(posts)
        .values({ author: 1, content: { title: "ü" } });
      const found = await database().query.users.findFirst({ with: { posts: true } });
      expect(found?.posts.map(({ content }) => content)).toEqual([null, { title: "ü" }]);
    });

    test("runs transactions, nested ones, and rolls back", async () => {
      await database().transaction(async (outer) => {
        await outer.insert(users).values({ name: "outer" });
        const nested = outer.transaction(async (inner) => {
          await inner.insert(users).values({ name: "inner" });
          inner.rollback();
        });
        await expect(nested).rejects.toThrow();
      });
      const failing = database().transaction(async (transaction) => {
        await transaction.insert(users).values({ name: "never" });
        await transaction.insert(users).values({ name: "outer" });
      });
      await expect(failing).rejects.toThrow();
      const names = (await database().select().from(users)).map(({ name }) => name);
      expect(names).toContain("outer");
      expect(names).not.toContain("inner");
      expect(names).not.toContain("never");
    });

    test("sends batches", async () => {
      const [first, second] = await database().batch([
        database().insert(users).values({ name: "batched" }).returning({ name: users.name }),
        database().select({ n: sql<number>`count(*)` }).from(users),
      ]);
      expect(first).toEqual([{ name: "batched" }]);
      expect(second[0]?.n).toBeGreaterThan(1);
    });
  });
}

interface KyselyDatabase {
  readonly pets: { id: Generated<number>; name: string; owner: string | null };
}

const KYSELY_MIGRATIONS: Record<string, Migration> = {
  "1_pets": {
    up: async (db) => {
      await db.schema
        .createTable("pets")
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .execute();
    },
    down: async (db) => {
      await db.schema.dropTable("pets").execute();
    },
  },
  "2_owner": {
    up: async (db) => {
      await db.schema.alterTable("pets").addColumn("owner", "text").execute();
      await db.schema.createIndex("pets_owner").on("pets").column("owner").execute();
    },
    down: async (db) => {
      await db.schema.dropIndex("pets_owner").execute();
      await db.schema.alterTable("pets").dropColumn("owner").execute();
    },
  },
};

function kyselyCases(client: () => Client): void {
  describe("Kysely", () => {
    const open = () => new Kysely<KyselyDatabase>({ dialect: libsqlDialect(client()) });
    const migratorOf = (db: Kysely<KyselyDatabase>) =>
      new Migrator({ db, provider: { getMigrations: async () => KYSELY_MIGRATIONS } });

    test("migrates up and down", async () => {
      const db = open();
      const results = [
        await migratorOf(db).migrateToLatest(),
        await migratorOf(db).migrateDown(),
        await migratorOf(db).migrateToLatest(),
      ];
      for (const { error } of results) expect(error).toBeUndefined();
      const tables = await db.introspection.getTables();
      const pets = tables.find(({ name }) => name === "pets");
      expect(pets?.columns.map((column) => column.name)).toEqual(["id", "name", "owner"]);
      expect(pets?.columns[0]?.isAutoIncrementing).toBe(true);
    });

    test("queries and runs transactions", async () => {
      const db = open();
      const inserted = await db
        .insertInto("pets")
        .values({ name: "rex", owner: "ada" })
        .executeTakeFirstOrThrow();
      expect(inserted.insertId).toBe(1n);
      await db.transaction().execute(async (transaction) => {
        await transaction.insertInto("pets").values({ name: "tom", owner: null }).execute();
        await transaction
          .updateTable("pets")
          .set({ owner: "bob" })
          .where("name", "=", "tom")
          .execute();
      });
      const failing = db.transaction().execute(async (transaction) => {
        await transaction.deleteFrom("pets").execute();
        await transaction
          .insertInto("pets")
          .values({ id: 1, name: "x" } as never)
          .execute();
        throw new Error("changed my mind");
      });
      await expect(failing).rejects.toThrow("changed my mind");
      const rows = await db
        .selectFrom("pets")
        .select(["name", "owner", ksql<number>`length(name)`.as("size")])
        .orderBy("id")
        .execute();
      expect(rows.map(({ name, owner, size }) => [name, owner, size])).toEqual([
        ["rex", "ada", 3],
        ["tom", "bob", 3],
      ]);
    });
  });
}
