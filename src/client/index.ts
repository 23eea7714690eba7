export { LocalClient } from "./local-client.ts";
