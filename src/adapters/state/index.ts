export { StateDirectory } from "./state-directory.ts";
