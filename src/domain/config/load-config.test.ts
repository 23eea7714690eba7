import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MyceliumError } from "../../base/index.ts";
import { type ConfigInput, configFileOf, explainConfig, loadConfig } from "./load-config.ts";
import { nearestName } from "./nearest-name.ts";
import { ENVIRONMENT_PREFIX, flagOf, type Setting } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import { settingFlags, settingsTable } from "./settings-table.ts";

const rows = Object.values(SETTINGS) as unknown as Setting<unknown>[];

/** The settings of the specification's table. */
const SPECIFIED =
  `HOST PORT P2P_PORT NETWORK_ID PROTOCOL_VERSION MIN_PROTOCOL_VERSION NODE_TYPE PUBLIC_KEY
  PRIVATE_KEY VALIDATOR_WEIGHT MINER_CAPACITY DATABASE_TYPE DATABASE_URL DATABASE_PATH DATABASE_MAX_CONNECTIONS
  DATABASE_IDLE_TIMEOUT DATABASE_CONNECT_TIMEOUT DATABASE_SSL_MODE DATABASE_STATEMENT_CACHE TRANSACTION_TIMEOUT
  PREPARE_TIMEOUT COMMIT_TIMEOUT MAX_TRANSACTIONS CLEANUP_INTERVAL REPLICATION_MODE REPLICATION_PEERS
  REPLICATION_HEARTBEAT_INTERVAL REPLICATION_HEARTBEAT_TIMEOUT REPLICATION_RETRY_INITIAL REPLICATION_RETRY_MAX
  REPLICATION_RETRY_MULTIPLIER DEFAULT_REPLICATION_FACTOR MIN_VALIDATOR_COPIES MAX_SHARD_SIZE REBALANCE_INTERVAL
  LOAD_THRESHOLD TLS_CERT_PATH TLS_KEY_PATH TLS_CA_PATH TLS_VERIFY_CLIENT TLS_VERIFY_HOSTNAME MAX_PEERS
  CONNECTION_LIMIT CONNECTION_TIMEOUT PING_INTERVAL SYNC_INTERVAL`.split(/\s+/);

function refusal(input: ConfigInput): string {
  try {
    loadConfig(input);
  } catch (error) {
    if (!(error instanceof MyceliumError)) throw error;
    expect(error.code).toBe("BAD_CONFIG");
    return error.message;
  }
  throw new Error("accepted");
}

const entryOf = (input: ConfigInput, name: string) =>
  explainConfig(input).find((entry) => entry.name === name);

describe("loadConfig()", () => {
  test("knows every setting of the specification once, with its flag", () => {
    const names = rows.map((row) => row.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of SPECIFIED) expect(names).toContain(name);
    expect(settingFlags().length).toBe(names.length - rows.filter((row) => row.secret).length);
  });

  test("gives the specified defaults, frozen", () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      host: "0.0.0.0",
      port: 8080,
      p2pPort: 9090,
      gossipPort: 9091,
      validatorWeight: 1,
      databasePath: "mycelium.db",
      databaseStatementCache: 1000,
      transactionTimeoutMs: 30_000,
      replicationRetryMultiplier: 2,
      maxShardSizeBytes: 1_073_741_824,
      rebalanceIntervalMs: 3_600_000,
      connectionTimeoutMs: 30_000,
      electionTimeoutMinMs: 500,
      electionTimeoutMaxMs: 1_000,
      heartbeatIntervalMs: 100,
      networkId: null,
      seeds: [],
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.seeds)).toBe(true);
  });

  test("flags go over the environment, that over the file, that over defaults", () => {
    const input = {
      flags: { port: "1" },
      environment: { MYCELIUM_PORT: "2", MYCELIUM_P2P_PORT: "12", PATH: "/bin", MYCELIUM_HOST: "" },
      file: { path: "/c.toml", text: "PORT = 3\np2p-port = 13\nMAX_PEERS = 7\nGOSSIP = false\n" },
      defaults: { STATE: "/home/ann/m" },
    };
    const config = loadConfig(input);
    expect([config.port, config.p2pPort, config.maxPeers, config.gossip]).toEqual([
      1,
      12,
      7,
      false,
    ]);
    expect(config.state).toBe("/home/ann/m");
    const sources = ["PORT", "P2P_PORT", "MAX_PEERS", "HOST", "STATE"].map(
      (name) => entryOf(input, name)?.source,
    );
    expect(entryOf(input, "GOSSIP_PORT")?.value).toBe("13");
    expect(sources).toEqual(["flag", "environment", "file", "default", "default"]);
  });

  test("reads durations, sizes, switches and lists as people write them", () => {
    const config = loadConfig({
      environment: {
        MYCELIUM_PING_INTERVAL: "5m",
        MYCELIUM_READ_TIMEOUT: "250ms",
        MYCELIUM_MAX_SHARD_SIZE: "2 GiB",
        MYCELIUM_MDNS: "OFF",
        MYCELIUM_SEEDS: "/a/seed, https://x.org/s ,/a/seed",
      },
      file: { path: "f", text: 'ADVERTISE = ["10.0.0.1", "pi.local"]' },
    });
    expect(config.pingIntervalMs).toBe(300_000);
    expect(config.readTimeoutMs).toBe(250);
    expect(config.maxShardSizeBytes).toBe(2 * 1_073_741_824);
    expect(config.mdns).toBe(false);
    expect(config.seeds).toEqual(["/a/seed", "https://x.org/s"]);
    expect(config.advertise).toEqual(["10.0.0.1", "pi.local"]);
  });

  test("a WAN profile takes Raft's times five times longer unless they are set", () => {
    const config = loadConfig({ flags: { profile: "wan" } });
    expect([config.electionTimeoutMinMs, config.electionTimeoutMaxMs]).toEqual([2_500, 5_000]);
    expect(config.heartbeatIntervalMs).toBe(500);
    const set = loadConfig({ flags: { profile: "wan", "heartbeat-interval": "50ms" } });
    expect(set.heartbeatIntervalMs).toBe(50);
  });

  test("an unknown name is refused with the nearest known one, as its source spells it", () => {
    expect(refusal({ environment: { MYCELIUM_P2PPORT: "1" } })).toContain("MYCELIUM_P2P_PORT?");
    expect(refusal({ flags: { "stat-dir": "x", "p2p-prot": "1" } })).toContain("--p2p-port?");
    expect(refusal({ file: { path: "c.toml", text: "LOGLEVEL = 'info'" } })).toContain(
      "LOG_LEVEL?",
    );
    expect(refusal({ environment: { MYCELIUM_ZZZZZZZZ: "1" } })).not.toContain("did you mean");
  });

  test("a bad value is refused with the setting, the value and what is allowed", () => {
    const message = refusal({ environment: { MYCELIUM_PORT: "99999" }, flags: { mdns: "maybe" } });
    expect(message).toContain('MYCELIUM_PORT: found "99999", needed port: 0 to 65535');
    expect(message).toContain('--mdns: found "maybe", needed switch: on, off');
    expect(refusal({ file: { path: "c", text: "PORT = [1]" } })).toContain("PORT in c");
    expect(refusal({ file: { path: "c", text: "[PORT]\na = 1" } })).toContain("PORT in c");
    expect(refusal({ file: { path: "c", text: "PORT = = 1" } })).toContain("not TOML");
  });

  test("what this version cannot do is refused as not available", () => {
    for (const flags of [{ "database-type": "postgres" }, { "tls-cert-path": "/c" }]) {
      expect(refusal({ flags })).toContain("not available in this version");
    }
    expect(loadConfig({ flags: { "database-type": "sqlite" } }).databaseType).toBe("sqlite");
  });

  test("contradictions between settings are refused", () => {
    expect(refusal({ flags: { port: "9090" } })).toContain("another port than PORT");
    expect(refusal({ flags: { "p2p-port": "65535" } })).toContain("GOSSIP_PORT");
    expect(refusal({ flags: { "node-type": "miner" } })).toContain("MINER_CAPACITY");
    expect(refusal({ flags: { "heartbeat-interval": "1s" } })).toContain("ELECTION_TIMEOUT");
    expect(refusal({ flags: { "protocol-version": "0.9.9" } })).toContain("MIN_PROTOCOL_VERSION");
    expect(loadConfig({ flags: { port: "0", "p2p-port": "0" } }).gossipPort).toBe(0);
  });

  test("secrets are masked everywhere and are no arguments", () => {
    const seed = "ab".repeat(32);
    const input = { environment: { MYCELIUM_PRIVATE_KEY: seed } };
    expect(loadConfig(input).privateKey).toBe(seed);
    expect(JSON.stringify(explainConfig(input))).not.toContain(seed);
    const bad = refusal({
      environment: {
        MYCELIUM_PRIVATE_KEY: "hunter2",
        MYCELIUM_DATABASE_URL: "postgres://u:hunter2@h/d",
      },
    });
    expect(bad).not.toContain("hunter2");
    expect(refusal({ flags: { "private-key": seed } })).not.toContain(seed);
    expect(refusal({ flags: { "private-key": seed } })).toContain("MYCELIUM_PRIVATE_KEY");
  });

  test("any value of any setting is taken or refused with its name, never a crash", () => {
    const row = fc.constantFrom(...rows);
    fc.assert(
      fc.property(
        row,
        fc.oneof(
          fc.string(),
          fc.string({ unit: "binary", maxLength: 20 }),
          fc.constantFrom("1e9", "-1", " 5 ", "0x10", "NaN", "Infinity", "1".repeat(9999)),
        ),
        (one, text) => {
          try {
            loadConfig({ environment: { [ENVIRONMENT_PREFIX + one.name]: text } });
          } catch (error) {
            expect(error).toBeInstanceOf(MyceliumError);
            expect((error as Error).message.length).toBeLessThan(2_000);
          }
        },
      ),
    );
  });

  test("a default written out is the same as leaving it out", () => {
    for (const row of rows) {
      if (row.defaultText === null) continue;
      const set = loadConfig({ environment: { [ENVIRONMENT_PREFIX + row.name]: row.defaultText } });
      expect(set).toEqual(loadConfig({}));
    }
  });
});

test("configFileOf() takes the named file, else the state directory's", () => {
  expect(configFileOf({ flags: { config: "/x.toml" } })).toEqual({
    path: "/x.toml",
    required: true,
  });
  expect(configFileOf({ environment: { MYCELIUM_STATE: "/s" } })).toEqual({
    path: "/s/config.toml",
    required: false,
  });
  expect(configFileOf({ defaults: { STATE: "/d" } }).path).toBe("/d/config.toml");
});

test("settingsTable() is Markdown with one row a setting", () => {
  const lines = settingsTable().split("\n");
  expect(lines.length).toBe(rows.length + 2);
  for (const line of lines) expect(line.replaceAll("\\|", "").split("|").length).toBe(7);
  for (const row of rows) {
    expect(settingsTable()).toContain(`\`${ENVIRONMENT_PREFIX}${row.name}\``);
    if (flagOf(row)) expect(settingsTable()).toContain(`\`--${flagOf(row)}\``);
  }
});

test("nearestName() finds typos and nothing else", () => {
  expect(nearestName("PROT", ["PORT", "HOST"])).toBe("PORT");
  expect(nearestName("QQQQ", ["PORT", "HOST"])).toBeNull();
  expect(nearestName("x".repeat(10_000), ["x"])).toBeNull();
});

test("a file names settings in capitals, digits included", () => {
  const file = { path: "config.toml", text: 'P2P_PORT = "9191"\nPORT = 8181\n' };
  const config = loadConfig({ file });
  expect([config.p2pPort, config.port]).toEqual([9191, 8181]);
});
