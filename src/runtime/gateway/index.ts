export { type RequestOrigin, SqlGateway } from "./gateway.ts";
export type {
  Authorization,
  Authorize,
  GatewayDependencies,
  GatewayLimits,
} from "./options.ts";
