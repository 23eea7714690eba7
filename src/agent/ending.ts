/**
 * How an agent ends: by a stop, by leaving its network, to be started again on its log, or by becoming another version of
 * the program.
 */
export type Ending =
  | { readonly kind: "stop" | "restart" | "switch" }
  | { readonly kind: "leave"; readonly wipe: boolean };
