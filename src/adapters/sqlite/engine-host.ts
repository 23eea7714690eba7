/** Where engines run: on Workers in the agent, on the calling thread in tests and simulation. */

import type { EngineCall, EngineCalls } from "./engine-server.ts";

/**
 * `writer` lives as long as the host; the others come and go. What `hash` is asked is answered soon, because writes
 * wait for it; `copy` may be busy for as long as a large file takes.
 */
export type EngineThread = "writer" | "reader" | "copy" | "hash";

export interface EngineHost {
  /** Calls to one thread are answered in the order they are made. */
  call<Name extends EngineCall>(
    thread: EngineThread,
    shard: string,
    name: Name,
    ...args: Parameters<EngineCalls[Name]>
  ): Promise<Awaited<ReturnType<EngineCalls[Name]>>>;
  close(): Promise<void>;
}
