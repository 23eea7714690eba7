/** Gauges of one node, set when somebody asks for its metrics. */

import type { Core } from "./core.ts";

export function gaugeNode(core: Core, uptimeSeconds: number): void {
  const { consensus, host, links, membership, transport } = core;
  const { metrics } = host;
  metrics.gauge("mycelium_uptime_seconds", uptimeSeconds);
  metrics.gauge("mycelium_resident_memory_bytes", process.memoryUsage.rss());
  metrics.gauge("mycelium_members", membership.members().length);
  const up = transport.links().filter(({ node }) => links.isUp(node)).length;
  metrics.gauge("mycelium_links_up", up);
  for (const group of consensus.status().groups) {
    const labels = { group: group.group };
    metrics.gauge("mycelium_raft_term", group.term, labels);
    metrics.gauge("mycelium_raft_first_index", group.firstIndex, labels);
    metrics.gauge("mycelium_raft_commit_index", group.commitIndex, labels);
    metrics.gauge("mycelium_raft_applied_index", group.appliedIndex, labels);
    metrics.gauge("mycelium_raft_is_leader", group.role === "leader" ? 1 : 0, labels);
    metrics.gauge("mycelium_raft_has_leader", group.leader === null ? 0 : 1, labels);
  }
}
