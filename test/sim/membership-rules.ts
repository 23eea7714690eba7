/**
 * What must hold of members at every moment: a node that was never admitted gets no link and is on no list, and a node
 * that was removed loses its links within 5 s of the moment another one knows of it.
 */

import type { NodeId } from "../../src/base/index.ts";
import type { GrowingNetwork } from "./growing-network.ts";
import type { Machine } from "./machine.ts";

/** Live links of a revoked key are cut within this. */
const CUT_WITHIN_MS = 5_000;

interface Surroundings {
  nameOf(node: NodeId): string;
  violated(what: string): void;
  sleep(delayMs: number): Promise<void>;
}

export class MembershipRules {
  readonly #growing: GrowingNetwork;
  readonly #world: Surroundings;

  constructor(growing: GrowingNetwork, world: Surroundings) {
    this.#growing = growing;
    this.#world = world;
  }

  linkUp(machine: Machine, peer: NodeId): void {
    if (this.#growing.wasAdmitted(peer)) return;
    this.#world.violated(`admission: ${machine.name} links with ${peer}, which holds no grant`);
  }

  listChanged(machine: Machine): void {
    const membership = machine.process?.members?.membership;
    if (membership === undefined) return;
    for (const { id } of membership.members()) {
      if (this.#growing.mayBeMember(id)) continue;
      this.#world.violated(`admission: ${machine.name} has ${id} on its list, which never asked`);
    }
    for (const { id } of membership.list().revoked) {
      if (membership.isRevoked(id)) void this.#mustBeCut(machine, id);
    }
  }

  async #mustBeCut(machine: Machine, node: NodeId): Promise<void> {
    const { process } = machine;
    await this.#world.sleep(CUT_WITHIN_MS);
    if (process === null || machine.process !== process || machine.host.isPaused) return;
    if (process.members?.membership.isRevoked(node) !== true || !process.isLinked(node)) return;
    this.#world.violated(
      `revocation: ${machine.name} is linked with ${this.#world.nameOf(node)} ${CUT_WITHIN_MS} ms after it ` +
        "knew that it is no member",
    );
  }
}
