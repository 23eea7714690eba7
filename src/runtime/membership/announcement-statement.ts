/**
 * How a member that holds no replica of `system` tells what it says of itself: signed with its own key for its own
 * network, so that a validator records nothing in its name that it did not say.
 */

import { MyceliumError, type NetworkId, type NodeId } from "../../base/index.ts";
import {
  type NodeKey,
  networkIdShape,
  nodeIdShape,
  sign,
  signedPartShape,
  tagged,
  verifyOfNode,
} from "../../domain/identity/index.ts";
import { decodeCbor, encodeCbor, object } from "../../domain/wire/index.ts";
import { type Announcement, announcementShape } from "./member.ts";

const PURPOSE = "announcement";
const PAYLOAD_BYTES_MAX = 16_384;
const partShape = signedPartShape(PAYLOAD_BYTES_MAX);
const statementShape = object({
  networkId: networkIdShape,
  node: nodeIdShape,
  announcement: announcementShape,
});

export function signAnnouncement(
  key: NodeKey,
  networkId: NetworkId,
  announcement: Announcement,
): Uint8Array {
  const { addresses, apiAddresses, multiaddrs, validatorWeight, version } = announcement;
  const said = { addresses, apiAddresses, multiaddrs, validatorWeight, version };
  const payload = encodeCbor({ networkId, node: key.nodeId, announcement: said });
  return encodeCbor({ payload, signature: sign(key, tagged(PURPOSE, payload)) });
}

/** What `node` says of itself. Throws FORBIDDEN or MALFORMED on anything that it did not sign for this network. */
export function openAnnouncement(
  encoded: Uint8Array,
  networkId: NetworkId,
  node: NodeId,
): Announcement {
  const part = partShape(decodeCbor(encoded), "announcement");
  const isGenuine = verifyOfNode(node, tagged(PURPOSE, part.payload), part.signature);
  const statement = statementShape(decodeCbor(part.payload), "announcement");
  if (isGenuine && statement.node === node && statement.networkId === networkId) {
    return statement.announcement;
  }
  throw new MyceliumError(
    "FORBIDDEN",
    "Cannot record the announcement: found another node's, another network's or none that is signed; a node " +
      "announces itself only",
  );
}
