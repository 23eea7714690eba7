/** What a life of the agent is given by the process that holds it. */

import type { PrometheusMetrics } from "../adapters/host/index.ts";
import type { MyceliumError } from "../base/index.ts";
import type { Clock, Logger } from "../ports/index.ts";

export interface Host {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: PrometheusMetrics;
  /** A bug or a broken disk: the process must end. */
  readonly onFatal: (error: unknown) => void;
  /** The log cannot be gone on with as it is open: what is damaged is found and dropped when it is opened again. */
  readonly onLogFailure: (error: MyceliumError) => void;
  /** The state on disk is older than what this node promised: the next life is that of an empty replica. */
  readonly onForgotten: (error: MyceliumError) => void;
  /** A damaged database is to be filled from the log, which the agent's next life does. */
  readonly onRefill: (reason: string) => void;
  /** What was found damaged since the process started, one line each: a core on trial is taken back for it. */
  readonly damages: string[];
}
