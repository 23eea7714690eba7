/** Serves a directory, in a thread of its own: the other one waits for what runs in the machines. */

import { existsSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

export interface ServeOptions {
  readonly hostname: string;
  /** A symbolic link that may change: it is followed at each request. */
  readonly directory: string;
}

declare const self: {
  onmessage: ((event: MessageEvent<ServeOptions>) => void) | null;
  postMessage(port: number): void;
};

self.onmessage = ({ data: { hostname, directory } }) => {
  const server = Bun.serve({
    hostname,
    port: 0,
    fetch(request) {
      const path = decodeURIComponent(new URL(request.url).pathname);
      const file = join(realpathSync(directory), path);
      if (!existsSync(file) || !statSync(file).isFile()) return new Response(null, { status: 404 });
      return new Response(Bun.file(file));
    },
  });
  self.postMessage(server.port ?? 0);
};
