/** The last letters of a PeerId: its first ones are the same for all Ed25519 keys. */

const SHORT_ID_LENGTH = 8;

export function shortId(id: string): string {
  return id.length <= SHORT_ID_LENGTH ? id : `…${id.slice(-SHORT_ID_LENGTH)}`;
}
