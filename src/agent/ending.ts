/** How an agent ends: by a stop, by leaving its network, or to be started again on its log. */
export type Ending =
  | { readonly kind: "stop" | "restart" }
  | { readonly kind: "leave"; readonly wipe: boolean };
