/**
 * Bugs to plant, each a real mistake of somebody's Raft or store. The simulator must catch every one; one that
 * survives shows a hole in the net. Asserts that would give a bug away at once are taken out with it where the net's
 * own checks are to be proven.
 */

export interface Patch {
  readonly file: string;
  /** Must be in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Only networks that grow can show it: no others are tried. */
  readonly needsGrowth?: true;
}

const RAFT = "src/domain/raft";
const STORE = "src/runtime/store";
const MEMBERSHIP = "src/runtime/membership";
const AGENT = "src/agent";
const MEMORY = "src/adapters/memory";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "vote-twice-in-a-term",
    patches: [
      {
        file: `${RAFT}/election.ts`,
        find: "core.votedFor === request.from ||",
        replace: "true ||",
      },
      {
        file: `${RAFT}/raft-core.ts`,
        find: 'assert(this.votedFor === null || this.votedFor === candidate, "a second vote in a term");',
        replace: "",
      },
    ],
  },
  {
    name: "disowned-leader-is-followed-by-any",
    patches: [
      {
        file: `${RAFT}/election.ts`,
        find: "core.log.isUpToDate(request.lastIndex, request.lastTerm);",
        replace:
          "(core.disowned !== null || core.log.isUpToDate(request.lastIndex, request.lastTerm));",
      },
    ],
  },
  {
    name: "vote-not-persisted",
    patches: [
      {
        file: `${RAFT}/raft-core.ts`,
        find: "{ term: this.term, votedFor: this.votedFor }",
        replace: "{ term: this.term, votedFor: null }",
      },
    ],
  },
  {
    name: "vote-for-a-shorter-log",
    patches: [
      {
        file: `${RAFT}/raft-log.ts`,
        find: "if (lastTerm !== this.#lastTerm) return lastTerm > this.#lastTerm;",
        replace: "",
      },
    ],
  },
  {
    name: "commit-an-old-term-by-count",
    patches: [
      {
        file: `${RAFT}/leading.ts`,
        find: "if (index <= core.commitIndex || core.log.termOf(index) !== core.term) return;",
        replace: "if (index <= core.commitIndex) return;",
      },
    ],
  },
  {
    name: "ack-before-fsync",
    patches: [
      {
        file: `${RAFT}/following.ts`,
        find: "core.emitDurable(response);",
        replace: "core.emit(response);",
      },
    ],
  },
  {
    name: "leader-counts-itself-before-fsync",
    patches: [
      {
        file: `${RAFT}/raft-core.ts`,
        find: "if (replica === this.id) return this.log.stableIndex;",
        replace: "if (replica === this.id) return this.log.lastIndex;",
      },
    ],
  },
  {
    name: "quorum-of-exactly-half",
    patches: [
      {
        file: `${RAFT}/quorum.ts`,
        find: "return held * 2 > total;",
        replace: "return held * 2 >= total;",
      },
    ],
  },
  {
    name: "skip-the-joint-phase",
    patches: [
      {
        file: `${RAFT}/configuration-change.ts`,
        find: "if (weightDistance(current.voters, target.voters) <= 1) return target;",
        replace: "if (weightDistance(current.voters, target.voters) >= 0) return target;",
      },
    ],
  },
  {
    name: "joint-quorum-of-one-half-only",
    patches: [
      {
        file: `${RAFT}/quorum.ts`,
        find: "if (configuration.outgoing.length === 0) return incoming;",
        replace: "if (configuration.outgoing.length >= 0) return incoming;",
      },
    ],
  },
  {
    name: "conflict-not-truncated",
    patches: [
      {
        file: `${RAFT}/following.ts`,
        find: "core.log.termOf(entry.index) !== entry.term",
        replace: "core.log.termOf(entry.index) === null",
      },
    ],
  },
  {
    name: "heartbeat-commits-blindly",
    patches: [
      {
        file: `${RAFT}/leading.ts`,
        find: "const commit = Math.min(progress.match, core.commitIndex) as LogIndex;",
        replace: "const commit = core.commitIndex;",
      },
      {
        file: `${RAFT}/following.ts`,
        find: "core.commitTo(heartbeat.commit);",
        replace: "core.commitTo(Math.min(heartbeat.commit, core.log.lastIndex) as LogIndex);",
      },
    ],
  },
  {
    name: "stale-leader-serves-reads",
    patches: [
      {
        file: `${RAFT}/read-rounds.ts`,
        find: "if (this.#current === null || roundAnsweredByQuorum < this.#round) return [];",
        replace: "if (this.#current === null) return [];",
      },
    ],
  },
  {
    name: "new-leader-reads-before-its-noop",
    patches: [
      {
        file: `${RAFT}/leading.ts`,
        find: "if (core.commitIndex < core.noopIndex) return;",
        replace: "",
      },
    ],
  },
  {
    name: "snapshot-with-an-old-configuration",
    patches: [
      {
        file: `${RAFT}/raft-node.ts`,
        find: "encodeConfiguration(core.configurations.at(index))",
        replace: "encodeConfiguration(core.configurations.at(core.log.snapshot.index))",
      },
    ],
  },
  {
    name: "read-without-read-index",
    patches: [
      {
        file: `${STORE}/read-gate.ts`,
        find: "const index = await this.#round(timeoutMs);",
        replace: "const index = this.#applied.value; void this.#round;",
      },
    ],
  },
  {
    name: "read-before-it-is-applied",
    patches: [
      {
        file: `${STORE}/read-gate.ts`,
        find: "await this.#applied.reached(index, leftMs);",
        replace: "void [index, leftMs];",
      },
    ],
  },
  {
    name: "read-joins-a-round-under-way",
    patches: [
      {
        file: `${STORE}/read-gate.ts`,
        find: "if (this.#running === null) return this.#start(timeoutMs);",
        replace:
          "if (this.#running === null) return this.#start(timeoutMs); else return this.#running;",
      },
    ],
  },
  {
    name: "reply-before-the-quorum",
    patches: [
      {
        file: `${STORE}/leader-batches.ts`,
        find: "if (this.#context.propose(batch, reply, refuse)) return;",
        replace: "if (this.#context.propose(batch, reply, refuse)) { reply(); return; }",
      },
    ],
  },
  {
    name: "leader-keeps-its-lost-batch",
    patches: [
      {
        file: `${STORE}/shard-context.ts`,
        find: "this.open = null;\n    this.rollback();",
        replace: "this.open = null;\n    void this.options.database.commit(open.proposal.index);",
      },
    ],
  },
  {
    name: "certain-refusal-after-a-doubt",
    patches: [
      {
        file: `${STORE}/router.ts`,
        find: "uncertain ||= mayHaveRun(error);",
        replace: "uncertain = mayHaveRun(error);",
      },
    ],
  },
  {
    name: "log-cut-past-the-checkpoint",
    patches: [
      {
        file: `${STORE}/shard-loop.ts`,
        find: "this.#options.log.compact(await this.mending(this.#options.database.checkpoint()));",
        replace: "this.#options.log.compact(context.applied.value);",
      },
    ],
  },
  {
    name: "pinned-time-falls",
    patches: [
      {
        file: `${STORE}/shard-context.ts`,
        find: "return Math.max(this.options.clock.wallMs(), this.pinnedTimeMs);",
        replace: "return this.options.clock.wallMs();",
      },
    ],
  },
  {
    name: "function-not-pinned",
    patches: [
      {
        file: `${MEMORY}/shard-database.ts`,
        find: "const session = this.#engine.session(batch.overlay, environment);\n    const result",
        replace:
          "const session = this.#engine.session(batch.overlay, { ...environment, timeMs: this.#host.wallMs() });\n    const result",
      },
    ],
  },
  {
    name: "retry-id-forgotten",
    patches: [
      {
        file: `${MEMORY}/shard-database.ts`,
        find: "batch.results.set(request.id, result);",
        replace: "",
      },
    ],
  },
  {
    name: "retry-ids-not-in-the-snapshot",
    patches: [
      {
        file: `${MEMORY}/shard-state.ts`,
        find: "results: [...state.results],",
        replace: "results: [],",
      },
    ],
  },
  {
    name: "tables-hashed-at-different-states",
    patches: [
      {
        file: `${STORE}/applier.ts`,
        find: "if (command.batch.check !== null) break;",
        replace: "",
      },
      {
        file: `${STORE}/applier.ts`,
        find: "if (last.batch.check !== null) this.#checks.begin(last.entry.index, last.batch.check);",
        replace:
          "for (const { entry, batch } of commands) if (batch.check !== null) this.#checks.begin(entry.index, batch.check);",
      },
    ],
  },
  {
    name: "differing-table-not-mended",
    patches: [
      {
        file: `${STORE}/digest-watch.ts`,
        find: "if (truth === null || own === null || equalBytes(truth, own)) return;",
        replace: "if (truth === null || own === null || own.length > 0) return;",
      },
    ],
  },
  {
    name: "follower-acks-beyond-its-log",
    patches: [
      {
        file: `${RAFT}/following.ts`,
        find: "acknowledge(core, last);",
        replace: "acknowledge(core, core.log.lastIndex);",
      },
    ],
  },
  {
    name: "commit-beyond-what-was-matched",
    patches: [
      {
        file: `${RAFT}/following.ts`,
        find: "core.commitTo(Math.min(append.commit, last) as LogIndex);",
        replace: "core.commitTo(Math.min(append.commit, core.log.lastIndex) as LogIndex);",
      },
    ],
  },
  {
    name: "damaged-replica-votes",
    patches: [
      {
        file: `${RAFT}/election.ts`,
        find: "core.damagedUpTo === null &&",
        replace: "",
      },
      {
        file: `${RAFT}/raft-core.ts`,
        find: 'assert(this.damagedUpTo === null, "a damaged replica votes");',
        replace: "",
      },
    ],
  },
  {
    name: "unchanged-answer-without-read-index",
    patches: [
      {
        file: `${STORE}/leader-batches.ts`,
        find: "this.#context.confirmLed().then(reply, refuse);",
        replace: "reply();",
      },
    ],
  },
  {
    name: "failed-commit-is-forgotten",
    patches: [
      {
        file: `${STORE}/applier.ts`,
        find: "this.#committed.unshift(entry);",
        replace: "",
      },
    ],
  },
  {
    name: "forgotten-promises-unnoticed",
    patches: [
      {
        file: "src/runtime/consensus/promise-exchange.ts",
        find: "if (forgotten !== undefined) this.#onForgotten",
        replace: 'if (forgotten?.group === "none") this.#onForgotten',
      },
    ],
  },
  {
    name: "configuration-overtakes-a-commit",
    needsGrowth: true,
    patches: [
      {
        file: `${STORE}/applier.ts`,
        find: "if (this.#committing !== null) return this.#committing;",
        replace: "",
      },
    ],
  },
  {
    name: "read-round-outlives-its-voters",
    needsGrowth: true,
    patches: [
      {
        file: `${RAFT}/leading.ts`,
        find: "  confirmReads(core);\n  beginReads(core);\n}\n\n/** Starts",
        replace: "  beginReads(core);\n}\n\n/** Starts",
      },
    ],
  },
  {
    name: "older-record-wins",
    needsGrowth: true,
    patches: [
      {
        file: "src/domain/spore/entry-check.ts",
        find: "return candidate.record.sequence > held.record.sequence;",
        replace: "return candidate.record.sequence < held.record.sequence;",
      },
    ],
  },
  {
    name: "revoked-key-keeps-its-link",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/member-upkeep.ts`,
        find: 'transport.cut(node, "it is no member any more");',
        replace: "",
      },
      {
        file: `${MEMBERSHIP}/membership.ts`,
        find: "if (revoked !== undefined && !this.#byId.has(hello.node)) {",
        replace: "if (revoked !== undefined && hello.node.length === 0) {",
      },
    ],
  },
  {
    name: "token-not-counted",
    needsGrowth: true,
    patches: [
      {
        file: `${MEMBERSHIP}/member-store.ts`,
        find: "THEN uses_left - 1 END",
        replace: "THEN uses_left END",
      },
    ],
  },
  {
    name: "token-counted-twice",
    needsGrowth: true,
    patches: [
      {
        file: `${MEMBERSHIP}/member-store.ts`,
        find: "THEN uses_left - 1 END",
        replace: "THEN max(0, uses_left - 2) END",
      },
    ],
  },
  {
    name: "grant-of-another-network-accepted",
    needsGrowth: true,
    patches: [
      {
        file: `${MEMBERSHIP}/membership.ts`,
        find: "if (!verdict.ok) return refused(verdict.code, `its grant does not hold: ${verdict.reason}`);",
        replace: "if (!verdict.ok) return { ok: true };",
      },
    ],
  },
  {
    name: "borrowed-grant-accepted",
    needsGrowth: true,
    patches: [
      {
        file: `${MEMBERSHIP}/membership.ts`,
        find: "if (grant.member !== hello.node)",
        replace: "if (grant.member === null)",
      },
    ],
  },
  {
    name: "removed-while-a-group-counts-on-it",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/remove-member.ts`,
        find: "await untilOut(parts, node);",
        replace: "void untilOut;",
      },
    ],
  },
  {
    name: "out-of-a-group-by-hearsay",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/group-exit.ts`,
        find: "for (const group of groups) {",
        replace: "for (const group of groups.slice(groups.length)) {",
      },
    ],
  },
  {
    name: "leaver-is-not-told",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/placement.ts`,
        find: 'const mustStay = state === "leaving" &&',
        replace: 'const mustStay = state !== "leaving" && state !== "active" &&',
      },
    ],
  },
  {
    name: "members-changed-by-an-old-list",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/placement.ts`,
        find: "await bringUp(this.#options, SYSTEM);",
        replace: "void bringUp;",
      },
    ],
  },
  {
    name: "list-from-anybody",
    needsGrowth: true,
    patches: [
      {
        file: `${AGENT}/member-upkeep.ts`,
        find: "const rank = (id: NodeId) => (id === leader ? 0 : voters?.includes(id) === true ? 1 : 2);",
        replace: "const rank = (_id: NodeId) => (leader === voters ? 0 : 0);",
      },
    ],
  },
  {
    name: "own-earlier-question-is-forgotten",
    needsGrowth: true,
    patches: [
      {
        file: `${MEMBERSHIP}/enrolment.ts`,
        find: '["ALREADY_MEMBER", "TOKEN_USED", "NETWORK_FULL"]',
        replace: '["ALREADY_MEMBER"]',
      },
    ],
  },
  {
    name: "any-pinned-time-is-stored",
    patches: [
      {
        file: `${STORE}/leader-times.ts`,
        find: "if (aheadMs <= CLOCK_OFF_MAX_MS) return null;",
        replace: "if (aheadMs <= 1e15) return null;",
      },
    ],
  },
];
