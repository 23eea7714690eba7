/**
 * The program with a leader that lies: it keeps one node's votes out of the log, whoever brings them, and refuses them as
 * a leader without a quorum would. Whose, stands in the file that WITHHOLDS_FROM names; nobody's while there is none.
 */

import { existsSync, readFileSync } from "node:fs";
import { MyceliumError, utf8 } from "../../src/base/index.ts";
import { runCli, systemTerminal } from "../../src/cli/index.ts";
import { ShardLoop } from "../../src/runtime/store/shard-loop.ts";

/** A text of six bytes in CBOR: the type of a commit, and nothing else that nodes write. */
const COMMIT = Buffer.from([0x66, ...utf8("commit")]);
const FILE = process.env["WITHHOLDS_FROM"] ?? "";

function refuse(payload: Uint8Array): void {
  if (!existsSync(FILE)) return;
  const bundle = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  if (!bundle.includes(COMMIT) || !bundle.includes(readFileSync(FILE, "utf8"))) return;
  throw new MyceliumError("NO_QUORUM", "Cannot write: no quorum answers");
}

const { submit, submitOwn } = ShardLoop.prototype;
ShardLoop.prototype.submit = function (from, signed) {
  refuse(signed.payload);
  return submit.call(this, from, signed);
};
ShardLoop.prototype.submitOwn = function (bundle) {
  refuse(bundle.signed.payload);
  return submitOwn.call(this, bundle);
};

process.exit(await runCli(process.argv.slice(2), systemTerminal(process.env)));
