/** One check of `mycelium doctor`. */

export interface Finding {
  readonly what: string;
  readonly level: "ok" | "warn" | "fail";
  readonly found: string;
  /** How to mend it; null when there is nothing to do. */
  readonly todo: string | null;
}

export const ok = (what: string, found: string): Finding => ({
  what,
  level: "ok",
  found,
  todo: null,
});
export const warn = (what: string, found: string, todo: string): Finding => ({
  what,
  level: "warn",
  found,
  todo,
});
export const fail = (what: string, found: string, todo: string): Finding => ({
  what,
  level: "fail",
  found,
  todo,
});
