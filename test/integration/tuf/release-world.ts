/** A repository, the server it is published on, the store of a network, and nodes that look for releases. */

import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpOrigin } from "../../../src/adapters/release/http-origin.ts";
import { releaseSource } from "../../../src/adapters/release/index.ts";
import type { TufReleaseSourceOptions } from "../../../src/adapters/release/tuf-release-source.ts";
import { errorCodeOf, messageOf } from "../../../src/base/index.ts";
import { targetNames, targetPath, tufReasonOf } from "../../../src/domain/update/index.ts";
import type { ReleaseSource } from "../../../src/ports/index.ts";
import { ReleaseServer } from "./release-server.ts";
import { sha256, TestRepository } from "./test-repository.ts";

export const { shipped: SHIPPED, pack: PACK, chunks: CHUNKS } = targetNames("0.2.0", "x64");

export class ReleaseWorld {
  readonly directory = fs.mkdtempSync(join(tmpdir(), "release-"));
  readonly repository = TestRepository.withRelease();
  readonly server = new ReleaseServer(this.repository);
  /** What members of the network keep for each other. */
  readonly network = new Map<string, Uint8Array>();

  /** As an agent makes it. `name` is that of the node. */
  source(url: string | null = this.server.url, name = "node"): ReleaseSource {
    return releaseSource({
      directory: join(this.directory, name),
      channel: "stable",
      trustedRoot: this.repository.firstRoot,
      builtAtMs: 0,
      url,
      readFromNetwork: async (path) => this.network.get(path) ?? null,
    });
  }

  /** Of a source that knows the server alone. */
  options(): TufReleaseSourceOptions {
    return {
      directory: join(this.directory, "node"),
      channel: "stable",
      trustedRoot: this.repository.firstRoot,
      builtAtMs: 0,
      origins: [new HttpOrigin(this.server.url)],
    };
  }

  pathOf(target: string): string {
    return targetPath(target, { algorithm: "sha256", hex: sha256(this.contentOf(target)) });
  }

  contentOf(target: string): Uint8Array {
    return this.repository.targets.get(target)!.content;
  }

  async close(): Promise<void> {
    await this.server.close();
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** The reason of a refusal, else the code of the error, else "ok". */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "ok",
    (error: unknown) => tufReasonOf(error) ?? errorCodeOf(error) ?? messageOf(error),
  );
}
