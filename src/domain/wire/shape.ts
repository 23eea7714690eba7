/**
 * Shapes: small checkers that turn `unknown` from outside into a typed value or a MALFORMED error that names the
 * field. Every decoder of peer or file bytes goes through one. Unknown keys are dropped, so that a newer peer may
 * add fields.
 */

import { MyceliumError } from "../../base/index.ts";

/** Returns the value as `T` or throws MALFORMED naming `path`. */
export type Shape<T> = (value: unknown, path: string) => T;
export type TypeOf<S> = S extends Shape<infer T> ? T : never;

type OptionalKeys<F> = {
  [K in keyof F]: undefined extends TypeOf<F[K]> ? K : never;
}[keyof F];
type ObjectOf<F> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: Exclude<TypeOf<F[K]>, undefined>;
};

export function malformed(path: string, needed: string, found: unknown): MyceliumError {
  const kind = found === null ? "null" : found instanceof Uint8Array ? "bytes" : typeof found;
  return new MyceliumError("MALFORMED", `Cannot read ${path}: found ${kind}, needed ${needed}`);
}

/** A string of at most `lengthMax` UTF-16 units. */
export function text(lengthMax: number): Shape<string> {
  return (value, path) => {
    if (typeof value === "string" && value.length <= lengthMax) return value;
    throw malformed(path, `text of at most ${lengthMax} characters`, value);
  };
}

/** A byte string of `sizeMin` to `sizeMax` bytes. */
export function bytes(sizeMax: number, sizeMin = 0): Shape<Uint8Array> {
  return (value, path) => {
    const fits = value instanceof Uint8Array && value.length <= sizeMax && value.length >= sizeMin;
    // A plain Uint8Array, never a Buffer, whose slice() would share memory.
    if (fits) return new Uint8Array(value.buffer, value.byteOffset, value.length);
    throw malformed(path, `${sizeMin} to ${sizeMax} bytes`, value);
  };
}

/** A safe integer from `min` to `max`. */
export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, path) => {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw malformed(path, `an integer from ${min} to ${max}`, value);
  };
}

/** A finite number. */
export const finite: Shape<number> = (value, path) => {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw malformed(path, "a finite number", value);
};

export const flag: Shape<boolean> = (value, path) => {
  if (typeof value === "boolean") return value;
  throw malformed(path, "true or false", value);
};

export function oneOf<const T extends string | number>(...allowed: readonly T[]): Shape<T> {
  return (value, path) => {
    const match = allowed.find((candidate) => candidate === value);
    if (match !== undefined) return match;
    throw malformed(path, `one of ${allowed.join(", ")}`, value);
  };
}

export function list<T>(item: Shape<T>, countMax: number): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > countMax) {
      throw malformed(path, `a list of at most ${countMax}`, value);
    }
    return value.map((element, i) => item(element, `${path}[${i}]`));
  };
}

export function record<T>(item: Shape<T>, countMax: number): Shape<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (!isPlainObject(value)) throw malformed(path, "a map", value);
    const entries = Object.entries(value);
    if (entries.length > countMax) throw malformed(path, `a map of at most ${countMax}`, value);
    return Object.fromEntries(
      entries.map(([key, element]) => [key, item(element, `${path}.${key}`)]),
    );
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}

/** For a key that may be absent. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (value === undefined ? undefined : shape(value, path));
}

/** For a key that writers of an earlier release lack: `before` is what they meant. */
export function added<T>(shape: Shape<T>, before: T): Shape<T> {
  return (value, path) => (value === undefined ? before : shape(value, path));
}

export function object<F extends Record<string, Shape<unknown>>>(fields: F): Shape<ObjectOf<F>> {
  const names = Object.keys(fields);
  return (value, path) => {
    if (!isPlainObject(value)) throw malformed(path, "a map", value);
    const result: Record<string, unknown> = {};
    for (const name of names) {
      const field = fields[name] as Shape<unknown>;
      const checked = field(value[name], `${path}.${name}`);
      if (checked !== undefined) result[name] = checked;
    }
    return result as ObjectOf<F>;
  };
}

/** The shape of `T`, seen as a branded or narrower type: the only place where a brand is put on. */
export function mapped<T, U>(shape: Shape<T>, map: (value: T, path: string) => U): Shape<U> {
  return (value, path) => map(shape(value, path), path);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  );
}
