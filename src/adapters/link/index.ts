export { LINK_LIMITS, type LinkLimits, type LinkOptions } from "./link-options.ts";
export { LinkTransport } from "./link-transport.ts";
