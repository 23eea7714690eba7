/**
 * One running node: every part wired to every other.
 *
 * start: log and databases (`openCore`) -> links -> HTTP and local API -> members -> placement. stop: not ready any
 * more -> leadership handed over -> requests under way end, new ones are refused -> consensus, shards, links,
 * databases, log (`closeCore`). A bug anywhere ends the process; whoever supervises it starts it again.
 */

import { randomBytes } from "node:crypto";
import {
  type ConfigView,
  localSocketPath,
  type NodeState as Phase,
  type Status,
  type UpdateStatus,
  VERSION,
} from "../domain/api/index.ts";
import { type SqlTokenVerdict, SqlTokenVerifier } from "../domain/identity/index.ts";
import { PROMISES_CHANNEL, RAFT_CHANNEL } from "../runtime/consensus/index.ts";
import type { Discovery } from "../runtime/discovery/index.ts";
import { type Authorization, SqlGateway } from "../runtime/gateway/index.ts";
import { type Announcement, Enrolment } from "../runtime/membership/index.ts";
import { announcementOf, endpoint, NOTHING_ANNOUNCED, type Ports } from "./announce.ts";
import { ClockUpkeep } from "./clock-upkeep.ts";
import { type Core, closeCore, serviceOf } from "./core.ts";
import { startDiscovery } from "./discovery.ts";
import type { Ending } from "./ending.ts";
import { groupsFor, MAIN, SYSTEM } from "./groups.ts";
import { HttpServer } from "./http-server.ts";
import { LocalApi } from "./local-api.ts";
import { LocalCommands } from "./local-commands.ts";
import { loadCachedMembers, MemberUpkeep } from "./member-upkeep.ts";
import { gaugeNode } from "./node-gauges.ts";
import { NodeUpdates } from "./node-updates.ts";
import { answerPeer } from "./peer-requests.ts";
import { Placement } from "./placement.ts";
import { openReleases } from "./releases.ts";
import { gaugeUpdates, updateStatus } from "./rollout-view.ts";
import { Rollouts, rolloutReach } from "./rollouts.ts";
import { gatewayLimits } from "./settings.ts";
import type { OwnSlots } from "./slots.ts";
import { statusOf } from "./status.ts";

/** Requests under way at a stop get this long. */
const DRAIN_MS = 5_000;

export class Agent {
  readonly #core: Core;
  readonly #onEnd: (ending: Ending) => void;
  readonly #startedAtMs: number;
  readonly #tokens = new SqlTokenVerifier();
  readonly #gateway: SqlGateway;
  readonly #http: HttpServer;
  readonly #updates: NodeUpdates;
  readonly #rollouts: Rollouts;
  readonly #clocks: ClockUpkeep;
  /** Whether releases can be checked here. */
  readonly #configured: boolean;
  #phase: Phase = "bootstrap";
  #ports: Ports = { http: 0, p2p: 0, gossip: null };
  #announcement: Announcement = NOTHING_ANNOUNCED;
  #upkeep: MemberUpkeep | null = null;
  #discovery: Discovery | null = null;
  #placement: Placement | null = null;

  /** `onEnd` is told when a command, or another version's turn, asks for the end of this agent. */
  constructor(
    core: Core,
    settings: ConfigView,
    slots: OwnSlots | null,
    onEnd: (ending: Ending) => void,
  ) {
    const { clock, logger, metrics } = core.host;
    this.#core = core;
    this.#onEnd = onEnd;
    this.#startedAtMs = clock.monotonicMs();
    this.#gateway = new SqlGateway({
      sql: this.#main().shard.service,
      authorize: (token) => this.#authorize(token),
      clock,
      logger,
      metrics,
      secret: new Uint8Array(randomBytes(32)),
      limits: gatewayLimits(core.config),
    });
    this.#http = this.#makeHttp(settings);
    const reach = rolloutReach(core);
    const source = openReleases(core, (path) => reach.access.file(path));
    this.#configured = source !== null;
    this.#updates = new NodeUpdates({
      core,
      slots,
      source,
      status: () => this.status(),
      end: onEnd,
    });
    this.#clocks = new ClockUpkeep(core);
    this.#rollouts = new Rollouts({
      core,
      part: this.#updates.part,
      reach,
      source,
      nowMs: () => clock.wallMs() - (core.clocks.offMs() ?? 0),
    });
  }

  /** Throws PORT_TAKEN. Resolves when the node serves local reads; a quorum may come later. */
  async start(): Promise<void> {
    const { config, directory, transport } = this.#core;
    this.#phase = "discovery";
    loadCachedMembers(this.#core);
    const { port: p2p } = await this.#startLinks();
    const http = this.#http.listen(config.host, config.port);
    const gossip = config.gossip && config.gossipPort > 0 ? config.gossipPort : null;
    this.#ports = { http, p2p, gossip };
    const announcement = announcementOf(config, this.#ports, VERSION);
    this.#core.addresses.current = announcement.addresses;
    this.#placement = this.#makePlacement();
    this.#announcement = announcement;
    this.#upkeep = new MemberUpkeep(this.#core, announcement, () => this.#membersChanged());
    this.#upkeep.start();
    this.#followSystem();
    this.#http.listenLocal(localSocketPath(directory.path));
    this.#placement?.wake();
    this.#phase = "monitoring";
    this.#updates.start();
    this.#rollouts.start();
    this.#clocks.start();
    this.#core.host.logger.info("node serves", {
      node: this.#core.grant.member,
      network: this.#core.state.network.genesis.name,
      http: endpoint(config.host, http),
      links: transport.links().length,
    });
  }

  /** What can wait until the node serves: libp2p is slow to load. Throws PORT_TAKEN. */
  async startDiscovery(): Promise<void> {
    const { config, transport } = this.#core;
    const { discovery, port } = await startDiscovery(this.#core, () => this.#announcement);
    if (this.#phase === "stopping") return discovery.stop();
    this.#discovery = discovery;
    discovery.onPeers((peers) => transport.setPeers(peers));
    transport.setPeers(discovery.peers());
    this.#ports = { ...this.#ports, gossip: port };
    const announcement = announcementOf(config, this.#ports, VERSION);
    if (announcement.multiaddrs.join() === this.#announcement.multiaddrs.join()) return;
    this.#announcement = announcement;
    this.#upkeep?.announce(announcement);
  }

  /** Graceful: leadership goes first, so that the others hardly notice. */
  async stop(): Promise<void> {
    const { host } = this.#core;
    if (this.#phase === "stopping") return;
    this.#phase = "stopping";
    host.logger.info("node stops");
    this.#rollouts.stop();
    this.#clocks.stop();
    this.#updates.stop();
    this.#placement?.stop();
    this.#upkeep?.stop();
    await this.#discovery?.stop();
    await this.#core.consensus.handOverAll();
    await this.#gateway.close();
    const drained = this.#http.close();
    await Promise.race([
      drained,
      new Promise<void>((resolve) => host.clock.after(DRAIN_MS, resolve)),
    ]);
    await this.#http.cut();
    await closeCore(this.#core);
    host.logger.info("node stopped");
  }

  async status(): Promise<Status> {
    const { config, consensus, directory, grant, links, membership, shards, state, transport } =
      this.#core;
    const pictures = await Promise.all(
      shards.map(async ({ id, shard, database }) => ({
        id,
        store: shard.status(),
        sizeBytes: await database.sizeBytes(),
      })),
    );
    return statusOf({
      network: state.network,
      grant,
      state: this.#phase,
      uptimeMs: this.#core.host.clock.monotonicMs() - this.#startedAtMs,
      consensus: consensus.status(),
      shards: pictures,
      members: membership.members(),
      links,
      linkStatuses: transport.links(),
      listen: this.#listen(),
      spores: this.#discovery?.status() ?? {
        authority: this.#authority(),
        latent: 0,
        cached: membership.members().length,
        gossipPeers: 0,
        seeds: [],
      },
      stateDirectory: directory.path,
      diskFreeBytes: directory.freeBytes(),
      diskReserveBytes: config.diskReserveBytes,
      clockOffMs: this.#core.clocks.offMs(),
      memoryBytes: process.memoryUsage.rss(),
      update: this.#updateStatus(),
      launcherProblem: this.#updates.launcherProblem(),
    });
  }

  #updateStatus(): UpdateStatus {
    return updateStatus({
      core: this.#core,
      part: this.#updates.part,
      rollouts: this.#rollouts,
      configured: this.#configured,
    });
  }

  /** The member list follows shard `system`, and so does what the network decides. */
  #followSystem(): void {
    const { onApplied } = this.#core;
    const refreshMembers = onApplied.get(SYSTEM);
    onApplied.set(SYSTEM, () => {
      refreshMembers?.();
      this.#rollouts.wake();
    });
  }

  #main() {
    const main = this.#core.shards.find((one) => one.id === MAIN);
    if (main === undefined) throw new RangeError("a node that holds no shard runs no agent");
    return main;
  }

  #startLinks(): Promise<{ readonly port: number }> {
    const { consensus, host, links, membership, transport } = this.#core;
    return transport.start({
      admit: (hello) => membership.admit(hello),
      linkUp: (hello, address) => {
        host.logger.info("link up", { peer: hello.node, address });
        consensus.promises.linkUp(hello.node, hello.instance);
        links.up(hello);
        this.#core.clocks.note(hello.node, hello.wallMs);
        this.#discovery?.linkUp(hello.node);
        this.#placement?.wake();
      },
      linkDown: (node, reason) => {
        host.logger.info("link down", { peer: node, reason });
        links.down(node);
        consensus.linkDown(node);
        this.#core.clocks.forget(node);
      },
      message: (from, channel, payload) => {
        if (channel === RAFT_CHANNEL) consensus.receive(from, payload);
        if (channel === PROMISES_CHANNEL) consensus.promises.receive(from, payload);
      },
      request: (from, method, payload) =>
        answerPeer(from, method, payload, {
          core: this.#core,
          discovery: this.#discovery,
          others: [this.#rollouts, this.#updates, this.#clocks],
        }),
    });
  }

  #membersChanged(): void {
    const { membership, transport } = this.#core;
    this.#discovery?.membersChanged();
    transport.setPeers(this.#discovery?.peers() ?? membership.peers());
    this.#placement?.wake();
  }

  #makePlacement(): Placement | null {
    const { consensus, grant, host, links, membership, store } = this.#core;
    if (store === null) return null;
    return new Placement({
      self: grant.member,
      consensus,
      membership,
      store,
      clock: host.clock,
      logger: host.logger,
      service: (group) => serviceOf(this.#core, group),
      unseenMs: (node) => (node === grant.member ? 0 : links.unseenMs(node)),
    });
  }

  #makeHttp(settings: ConfigView): HttpServer {
    const { host } = this.#core;
    const commands = new LocalCommands(this.#core, {
      status: () => this.status(),
      ports: () => this.#ports,
      listed: () => this.#upkeep?.listed ?? Promise.resolve(),
      config: () => settings,
      end: this.#onEnd,
      update: async (refresh) => {
        if (refresh) await this.#rollouts.refresh();
        return this.#updateStatus();
      },
      rollouts: () => this.#rollouts.operator(),
    });
    const api = new LocalApi(commands);
    const enrolment = this.#makeEnrolment();
    return new HttpServer(
      {
        gateway: this.#gateway,
        enrol: enrolment === null ? null : (body) => enrolment.handleEnrol(body),
        metrics: () => this.#metrics(),
        unready: () => this.#unready(),
        local: (request, path) => api.handle(request, path),
      },
      host.logger,
    );
  }

  #makeEnrolment(): Enrolment | null {
    const { config, grant, host, membership, state, store } = this.#core;
    if (store === null || grant.role !== "validator") return null;
    return new Enrolment({
      network: state.network,
      key: state.key,
      grant: state.grant,
      isolationKey: state.isolationKey,
      store,
      memberList: () => membership.list(),
      groupsFor,
      protocolVersion: config.protocolVersion,
      minProtocolVersion: config.minProtocolVersion,
      release: VERSION,
      clock: host.clock,
      logger: host.logger,
      secretBytes: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
    });
  }

  #authorize(token: string): Authorization {
    const { grant, host, membership, state } = this.#core;
    const verdict: SqlTokenVerdict = this.#tokens.verify(token, {
      networkId: state.network.id,
      // Its own tokens hold from the first moment, before there is a list.
      isValidator: (node) =>
        node === grant.member ? grant.role === "validator" : membership.isValidator(node),
      nowMs: host.clock.wallMs(),
    });
    if (!verdict.ok) {
      const message = `Cannot run SQL: the token is refused: ${verdict.reason}; make one with \`mycelium token create --sql rw\``;
      return { ok: false, code: "UNAUTHORIZED", message };
    }
    const { mode, expiresAtMs } = verdict.claims;
    return {
      ok: true,
      role: mode === "rw" ? "write" : "read",
      expiresAtMs: expiresAtMs ?? Number.MAX_SAFE_INTEGER,
    };
  }

  /** Why strong requests would be refused now. */
  #unready(): readonly string[] {
    if (this.#phase !== "monitoring") return [`the node is in state ${this.#phase}`];
    const { consensus } = this.#core;
    return consensus
      .status()
      .groups.filter((group) => group.leader === null)
      .map((group) => `shard ${group.group} has no leader`);
  }

  #metrics(): string {
    const { host } = this.#core;
    gaugeNode(this.#core, (host.clock.monotonicMs() - this.#startedAtMs) / 1_000);
    gaugeUpdates(this.#updateStatus(), this.#updates.part.view(), host.metrics);
    return host.metrics.render();
  }

  #authority(): Status["spores"]["authority"] {
    const main = this.#core.consensus.groupStatus(MAIN);
    if (main?.leader) return "primary";
    return this.#core.membership.members().length > 0 ? "cached" : "none";
  }

  #listen(): Status["listen"] {
    const { config } = this.#core;
    const { http, p2p, gossip } = this.#ports;
    const any = config.host === "0.0.0.0" || config.host === "::";
    const near = any ? "127.0.0.1" : config.host;
    return {
      sqlUrl: `http://${endpoint(near, http)}`,
      http: endpoint(config.host, http),
      peer: endpoint(config.host, p2p),
      gossip: gossip === null ? null : endpoint(config.host, gossip),
    };
  }
}
