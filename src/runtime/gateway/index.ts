export { type RequestOrigin, SqlGateway } from "./gateway.ts";
export {
  type Authorization,
  type Authorize,
  DEFAULT_LIMITS,
  type GatewayDependencies,
  type GatewayLimits,
} from "./options.ts";
