export type { LinkLimits, LinkOptions } from "./link-options.ts";
export { LinkTransport } from "./link-transport.ts";
