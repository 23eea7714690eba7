import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { logStoreConformance } from "../../../test/conformance/log-store.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { SegmentLogStore } from "./segment-log-store.ts";

logStoreConformance("segment files", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mycelium-log-"));
  const make = () => new SegmentLogStore({ directory: path.join(directory, "log") });
  let store = make();
  return {
    store,
    async reopen() {
      await store.close();
      store = make();
      return store;
    },
    async dispose() {
      await store.close();
      fs.rmSync(directory, { recursive: true });
    },
  };
});

logStoreConformance("tiny segments and no cache", () => {
  const disk = new FaultyDisk();
  const options = { directory: "memory", disk, segmentSizeBytes: 9_000, cacheSizeBytes: 0 };
  let store = new SegmentLogStore(options);
  return {
    store,
    async reopen() {
      await store.close();
      store = new SegmentLogStore(options);
      return store;
    },
    dispose: () => store.close(),
  };
});
