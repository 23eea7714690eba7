export { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
export {
  bytes,
  finite,
  flag,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  type TypeOf,
  text,
} from "./shape.ts";
