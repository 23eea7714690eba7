/** The error that says that what this node promised as a replica is not on its disk any more. */

import { MyceliumError } from "../base/index.ts";

export function logLost(cause: MyceliumError): MyceliumError {
  return new MyceliumError(cause.code, cause.message, { cause, details: { logLost: true } });
}

export function isLogLost(error: unknown): error is MyceliumError {
  return error instanceof MyceliumError && error.details["logLost"] === true;
}
