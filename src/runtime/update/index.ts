export type { NodePart } from "./node-part.ts";
