/** Engines on the calling thread: deterministic, for tests and simulation. */

import type { EngineHost, EngineThread } from "./engine-host.ts";
import { type EngineCall, type EngineCalls, EngineServer } from "./engine-server.ts";

export class InlineHost implements EngineHost {
  readonly #server = new EngineServer();

  async call<Name extends EngineCall>(
    _thread: EngineThread,
    shard: string,
    name: Name,
    ...args: Parameters<EngineCalls[Name]>
  ): Promise<Awaited<ReturnType<EngineCalls[Name]>>> {
    const answer = await this.#server.call(shard, name, args);
    return answer as Awaited<ReturnType<EngineCalls[Name]>>;
  }

  async close(): Promise<void> {
    this.#server.close();
  }
}
