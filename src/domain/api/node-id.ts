/** Node ids as the local API's documents hold them. */

import { asNodeId, type NodeId } from "../../base/index.ts";
import { mapped, type Shape, text } from "../wire/index.ts";

export const nodeIdShape: Shape<NodeId> = mapped(text(64), asNodeId);
