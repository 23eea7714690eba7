/** The header by which a client chooses how fresh its reads must be. */

import { parseDurationMs } from "../../base/index.ts";
import type { Consistency } from "../../ports/index.ts";
import { HttpRefusal } from "./refusal.ts";

export const CONSISTENCY_HEADER = "mycelium-consistency";

const STRONG: Consistency = { level: "strong" };
const LOCAL: Consistency = { level: "local" };

/** `strong` (the default), `bounded=500ms` or `local`. Throws HttpRefusal 400. */
export function parseConsistency(header: string | null): Consistency {
  if (header === null || header === "strong") return STRONG;
  if (header === "local") return LOCAL;
  const maxStaleMs = header.startsWith("bounded=") ? parseDurationMs(header.slice(8)) : null;
  if (maxStaleMs !== null) return { level: "bounded", maxStaleMs };
  throw new HttpRefusal(
    400,
    "CONSISTENCY_INVALID",
    "Cannot read the header Mycelium-Consistency: needed strong, local or bounded= and a duration such as bounded=500ms",
  );
}
