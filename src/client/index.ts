export { LocalClient } from "./local-client.ts";
export { readBounded } from "./read-bounded.ts";
