/** One request as compact bytes. Hostile input is MALFORMED or TOO_LARGE. */

import { asRequestId } from "../../base/index.ts";
import { type PackReader, type PackWriter, readProgram, writeProgram } from "../sql/index.ts";
import type { Request } from "./batch.ts";

const ROLES = ["read", "write", "system"] as const;
const REQUEST_ID_LENGTH_MAX = 64;

export function writeRequest(writer: PackWriter, request: Request): void {
  writer.text(request.id);
  writer.u8(ROLES.indexOf(request.role));
  writeProgram(writer, request.program);
}

export function readRequest(reader: PackReader): Request {
  const id = reader.text(4 * REQUEST_ID_LENGTH_MAX);
  if (id.length === 0 || id.length > REQUEST_ID_LENGTH_MAX) {
    throw reader.damaged(`a request id of ${id.length} letters`);
  }
  const role = ROLES[reader.u8()];
  if (role === undefined) throw reader.damaged("an unknown role");
  return { id: asRequestId(id), role, program: readProgram(reader) };
}
