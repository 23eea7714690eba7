/** Checks that the agent runs and reaches its peers; its own findings are passed on. */

import type { Status } from "../../domain/api/index.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

export function reachFindings(status: Status | null): Finding[] {
  if (status === null) return [warn("agent", "no agent answers", "start it: `mycelium run`")];
  const up = status.peers.filter(({ link }) => link === "up").length;
  const found = `${up} of ${status.peers.length} peers linked`;
  const missing = status.peers.find(({ link }) => link !== "up");
  const reach =
    missing === undefined
      ? ok("reach", found)
      : warn(
          "reach",
          `${found}; ${missing.addresses[0] ?? missing.id}: ${missing.lastError ?? missing.link}`,
          "check that it runs, and that its P2P_PORT is open in its firewall",
        );
  const problems = status.problems.map(({ severity, what, why, todo }) =>
    (severity === "fault" ? fail : warn)("agent", `${what} (${why})`, todo),
  );
  return [ok("agent", `${status.node.state}, version ${status.node.version}`), reach, ...problems];
}
