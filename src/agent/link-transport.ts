/** The links of a node, made from its state and settings. */

import { LinkTransport } from "../adapters/link/index.ts";
import type { Random } from "../base/index.ts";
import { VERSION } from "../domain/api/index.ts";
import type { Config } from "../domain/config/index.ts";
import { OWN_FEATURES } from "../domain/wire/index.ts";
import type { Host } from "./host.ts";
import type { NodeState } from "./node-state.ts";
import { linkLimits } from "./settings.ts";

export function linkTransport(
  config: Config,
  { clock, logger, metrics }: Host,
  state: NodeState,
  own: {
    /** Random per start. */
    readonly instance: string;
    /** Where others reach this node. */
    readonly addresses: () => readonly string[];
    readonly random: Random;
  },
): LinkTransport {
  return new LinkTransport({
    key: state.key,
    host: config.host,
    port: config.p2pPort,
    isolationKeys: () => [state.isolationKey],
    hello: () => ({
      instance: own.instance,
      protocolVersion: config.protocolVersion,
      minProtocolVersion: config.minProtocolVersion,
      features: OWN_FEATURES,
      grant: state.grant,
      addresses: own.addresses(),
      release: VERSION,
    }),
    clock,
    random: own.random,
    logger,
    metrics,
    limits: linkLimits(config),
  });
}
