/**
 * Every setting, once. The key is the field of `Config`, with its unit last; the row drives the environment, the
 * command line, the file, checks, `mycelium config` and the README's table.
 */

import { optionalSetting, setting } from "./setting.ts";
import { UPDATE_SETTINGS } from "./update-settings.ts";
import {
  choiceType,
  durationType,
  flagType,
  integerType,
  listType,
  numberType,
  sizeType,
  textType,
} from "./value-type.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const GIB = 1_073_741_824;

const path = textType("path", "a path", /^[^\0\n]{1,1024}$/);
const host = textType("host", "a host name or an IP address", /^[A-Za-z0-9_.:%[\]-]{1,253}$/);
const endpoint = textType("address", "host:port", /^[A-Za-z0-9_.:%[\]-]{1,253}:\d{1,5}$/);
const place = textType("place", "a path or an https:// URL", /^(https:\/\/[^\s]+|[^\0\n]+)$/);
const version = textType("version", "three numbers, as 1.0.0", /^\d{1,5}\.\d{1,5}\.\d{1,5}$/);
const name = textType(
  "name",
  "1 to 63 letters, digits, - or _",
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
);
const networkId = textType("id", "64 hexadecimal digits, or testnet", /^([0-9a-f]{64}|testnet)$/);
const hexKey = textType("key", "64 hexadecimal digits", /^[0-9a-f]{64}$/);
const url = textType("URL", "postgres://...", /^postgres(ql)?:\/\/\S{1,2000}$/);
const port = integerType(0, 65_535, "port");
const seconds = durationType(1, DAY_MS);

const POSTGRES = "the PostgreSQL backend";
const OWN_CERTIFICATES = "HTTPS with certificates";
const FROM_JOINING = "set by init or join";
const NETWORK_CA = "the network's own CA";

export const SETTINGS = {
  // Where things are.
  state: setting("STATE", path, "/var/lib/mycelium", "directory of keys, log and databases", {
    note: "/var/lib/mycelium, or ~/.local/state/mycelium for a user",
  }),
  configFile: optionalSetting(
    "CONFIG",
    path,
    "config.toml in the state directory, if there",
    "the file with these settings, in TOML",
  ),
  logLevel: setting(
    "LOG_LEVEL",
    choiceType("debug", "info", "warn", "error"),
    "info",
    "the least level that is logged",
  ),
  logFormat: setting("LOG_FORMAT", choiceType("json", "text"), "json", "form of log lines"),

  // Who this node is.
  networkName: setting("NETWORK_NAME", name, "testnet", "name of a network made here", {
    note: "`testnet` if run bare",
  }),
  networkId: optionalSetting(
    "NETWORK_ID",
    networkId,
    FROM_JOINING,
    "refuse to run in any other network",
  ),
  nodeType: optionalSetting(
    "NODE_TYPE",
    choiceType("validator", "miner"),
    FROM_JOINING,
    "the role asked for",
  ),
  publicKey: optionalSetting(
    "PUBLIC_KEY",
    hexKey,
    "made at first start",
    "refuse to run with any other node key",
  ),
  privateKey: optionalSetting(
    "PRIVATE_KEY",
    hexKey,
    "made at first start",
    "seed of the node's Ed25519 key, used at the first start",
    { secret: true },
  ),
  validatorWeight: setting(
    "VALIDATOR_WEIGHT",
    integerType(1, 100),
    "1",
    "factor of this node's vote weight",
  ),
  minerCapacityGb: optionalSetting(
    "MINER_CAPACITY",
    numberType(0.001, 1_000_000, "GB"),
    "required with NODE_TYPE=miner",
    "disk a miner offers, in GB",
    { reserved: true },
  ),
  protocolVersion: setting(
    "PROTOCOL_VERSION",
    version,
    "1.0.0",
    "protocol this node offers to its peers",
  ),
  minProtocolVersion: setting(
    "MIN_PROTOCOL_VERSION",
    version,
    "1.0.0",
    "oldest protocol it speaks with",
  ),

  // How it is reached.
  host: setting("HOST", host, "0.0.0.0", "address all ports listen on"),
  port: setting("PORT", port, "8080", "HTTP: SQL, enrolment, health, metrics; 0 picks a free one"),
  p2pPort: setting("P2P_PORT", port, "9090", "links between nodes; 0 picks a free one"),
  gossipPort: optionalSetting("GOSSIP_PORT", port, "P2P_PORT + 1", "libp2p, for latent spores"),
  advertise: setting("ADVERTISE", listType(host), "", "addresses at which others reach this node", {
    note: "those of its interfaces",
  }),

  // How it finds others.
  profile: setting(
    "PROFILE",
    choiceType("lan", "wan"),
    "lan",
    "wan takes Raft's times five times longer",
  ),
  seeds: setting("SEEDS", listType(place), "", "places of the seed spore, tried in order", {
    note: "none",
  }),
  mdns: setting("MDNS", flagType, "on", "look for the network's nodes on the local network"),
  gossip: setting("GOSSIP", flagType, "on", "keep latent spores over libp2p"),
  maxPeers: setting("MAX_PEERS", integerType(1, 1_000), "50", "links kept with other nodes"),
  connectionLimit: setting(
    "CONNECTION_LIMIT",
    integerType(2, 100_000),
    "100",
    "connections open at once",
  ),
  connectionTimeoutMs: setting(
    "CONNECTION_TIMEOUT",
    durationType(100, 10 * MINUTE_MS),
    "30s",
    "time to reach a peer",
  ),
  pingIntervalMs: setting(
    "PING_INTERVAL",
    durationType(1_000, DAY_MS),
    "30s",
    "between measurements of a peer's latency",
    { reserved: true },
  ),
  syncIntervalMs: setting(
    "SYNC_INTERVAL",
    durationType(1_000, DAY_MS),
    "60s",
    "between publications of this node's record",
    { reserved: true },
  ),

  // Raft.
  electionTimeoutMinMs: setting(
    "ELECTION_TIMEOUT",
    durationType(50, 10 * MINUTE_MS),
    "500ms",
    "silence of a leader before an election, randomly up to twice this",
    { wan: "2500ms" },
  ),
  heartbeatIntervalMs: setting(
    "HEARTBEAT_INTERVAL",
    durationType(5, MINUTE_MS),
    "100ms",
    "between a leader's heartbeats",
    { wan: "500ms" },
  ),

  // The store.
  databaseType: setting(
    "DATABASE_TYPE",
    choiceType("sqlite", "postgres"),
    "sqlite",
    "engine of the store",
    { unavailable: POSTGRES },
  ),
  databaseUrl: optionalSetting("DATABASE_URL", url, "none", "required for postgres", {
    secret: true,
    unavailable: POSTGRES,
  }),
  databasePath: setting(
    "DATABASE_PATH",
    path,
    "mycelium.db",
    "file of shard `main`, in the state directory unless absolute; others beside it as NAME.SHARD.db",
  ),
  databaseMaxConnections: setting(
    "DATABASE_MAX_CONNECTIONS",
    integerType(1, 10_000),
    "10",
    "connections to PostgreSQL",
    { reserved: true },
  ),
  databaseIdleTimeoutMs: setting(
    "DATABASE_IDLE_TIMEOUT",
    seconds,
    "300",
    "an idle connection to PostgreSQL is closed after this",
    { reserved: true },
  ),
  databaseConnectTimeoutMs: setting(
    "DATABASE_CONNECT_TIMEOUT",
    seconds,
    "10",
    "time to reach PostgreSQL",
    { reserved: true },
  ),
  databaseSslMode: setting(
    "DATABASE_SSL_MODE",
    choiceType("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "prefer",
    "TLS towards PostgreSQL",
    { reserved: true },
  ),
  databaseStatementCache: setting(
    "DATABASE_STATEMENT_CACHE",
    integerType(0, 100_000),
    "1000",
    "prepared statements kept by each connection",
    { reserved: true },
  ),
  diskReserveBytes: setting(
    "DISK_RESERVE",
    sizeType(0, 1_024 * GIB),
    "100 MiB",
    "free disk below which writes are refused",
  ),
  readTimeoutMs: setting(
    "READ_TIMEOUT",
    durationType(10, DAY_MS),
    "30s",
    "time a reading statement may take",
  ),
  writeTimeoutMs: setting(
    "WRITE_TIMEOUT",
    durationType(10, DAY_MS),
    "2s",
    "time a writing statement may take",
  ),
  transactionTimeoutMs: setting(
    "TRANSACTION_TIMEOUT",
    seconds,
    "30",
    "an interactive transaction is rolled back after this",
  ),
  maxTransactions: setting(
    "MAX_TRANSACTIONS",
    integerType(1, 1_000_000),
    "1000",
    "interactive transactions open at once",
  ),
  cleanupIntervalMs: setting(
    "CLEANUP_INTERVAL",
    seconds,
    "60",
    "between removals of what has expired",
    { reserved: true },
  ),
  checkIntervalMs: setting(
    "CHECK_INTERVAL",
    durationType(1_000, 365 * DAY_MS),
    "1d",
    "each table is compared between all replicas once in this, and soon after a start",
  ),
  prepareTimeoutMs: setting(
    "PREPARE_TIMEOUT",
    seconds,
    "5",
    "first phase of a transaction over several shards",
    { reserved: true },
  ),
  commitTimeoutMs: setting("COMMIT_TIMEOUT", seconds, "5", "second phase of it", {
    reserved: true,
  }),

  // Replication and shards.
  replicationMode: setting(
    "REPLICATION_MODE",
    choiceType("secondary", "primary"),
    "secondary",
    "Raft decides who leads; primary asks to be preferred",
    { reserved: true },
  ),
  replicationPeers: setting(
    "REPLICATION_PEERS",
    listType(endpoint),
    "",
    "more addresses (of P2P_PORT) to look for the network at",
    { note: "none", reserved: true },
  ),
  replicationHeartbeatIntervalMs: setting(
    "REPLICATION_HEARTBEAT_INTERVAL",
    seconds,
    "5",
    "between signs of life to read-only replicas",
    { reserved: true },
  ),
  replicationHeartbeatTimeoutMs: setting(
    "REPLICATION_HEARTBEAT_TIMEOUT",
    seconds,
    "15",
    "silence after which a read-only replica looks for another source",
    { reserved: true },
  ),
  replicationRetryInitialMs: setting(
    "REPLICATION_RETRY_INITIAL",
    seconds,
    "1",
    "wait before the first reconnection",
  ),
  replicationRetryMaxMs: setting(
    "REPLICATION_RETRY_MAX",
    seconds,
    "60",
    "longest wait between reconnections",
  ),
  replicationRetryMultiplier: setting(
    "REPLICATION_RETRY_MULTIPLIER",
    numberType(1.01, 10),
    "2.0",
    "growth of that wait",
  ),
  defaultReplicationFactor: setting(
    "DEFAULT_REPLICATION_FACTOR",
    numberType(0.01, 1),
    "0.5",
    "share of the validators that keep a shard",
    { reserved: true },
  ),
  minValidatorCopies: setting(
    "MIN_VALIDATOR_COPIES",
    integerType(1, 100),
    "2",
    "least number of validators that keep a shard",
    { reserved: true },
  ),
  maxShardSizeBytes: setting(
    "MAX_SHARD_SIZE",
    sizeType(1_048_576, 1_024 * GIB),
    "1 GiB",
    "a shard is split beyond this",
    { reserved: true },
  ),
  rebalanceIntervalMs: setting(
    "REBALANCE_INTERVAL",
    durationType(1_000, 30 * DAY_MS),
    "3600",
    "between looks for shards to move",
    { reserved: true },
  ),
  loadThreshold: setting(
    "LOAD_THRESHOLD",
    numberType(0.01, 1),
    "0.8",
    "load of a node beyond which shards move away",
    { reserved: true },
  ),

  // Certificates of the HTTP API.
  tlsCertPath: optionalSetting("TLS_CERT_PATH", path, NETWORK_CA, "certificate of the HTTP API", {
    unavailable: OWN_CERTIFICATES,
  }),
  tlsKeyPath: optionalSetting("TLS_KEY_PATH", path, NETWORK_CA, "its private key", {
    unavailable: OWN_CERTIFICATES,
  }),
  tlsCaPath: optionalSetting("TLS_CA_PATH", path, NETWORK_CA, "who signs clients' certificates", {
    unavailable: OWN_CERTIFICATES,
  }),
  tlsVerifyClient: setting(
    "TLS_VERIFY_CLIENT",
    flagType,
    "true",
    "check a client certificate that is presented",
    { unavailable: OWN_CERTIFICATES },
  ),
  tlsVerifyHostname: setting(
    "TLS_VERIFY_HOSTNAME",
    flagType,
    "true",
    "check names in certificates",
    { unavailable: OWN_CERTIFICATES },
  ),

  ...UPDATE_SETTINGS,
} as const;
