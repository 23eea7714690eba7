/**
 * Client of the root helper (native/root-helper/DESIGN.md): one line asked and one answered on a connection of its
 * own. The helper checks everything again; the types here only keep honest callers from asking for nothing.
 */

import { createConnection } from "node:net";
import { type ErrorCode, errorCodeOf, MyceliumError, messageOf } from "../../base/index.ts";

/** Where systemd listens for it (systemd/mycelium-helper.socket). */
export const HELPER_SOCKET = "/run/mycelium-helper.sock";
/** Of the helper's own line: 512 bytes of words and what stands before. */
const ANSWER_SIZE_MAX = 1_024;
/** Copying 45 MB on a slow card takes a while; the helper's unit ends it after 180 s. */
const ANSWER_TIMEOUT_MS = 190_000;

export type UnitName = "k3s" | "wireguard" | "qemu";
export type InterfaceKind = "wireguard" | "bridge" | "dummy";
export type InterfaceChange =
  | { readonly kind: "up" | "down" }
  | { readonly kind: "mtu"; readonly mtu: number }
  /** With prefix length, as "10.1.2.3/24" or "fd00::1/64". */
  | { readonly kind: "address" | "no-address"; readonly address: string };

/** Every call rejects with NOT_RUNNING (no helper here), FORBIDDEN (refused by a rule), TIMEOUT or MALFORMED. */
export class RootHelper {
  readonly #socketPath: string;

  constructor(socketPath: string = HELPER_SOCKET) {
    this.#socketPath = socketPath;
  }

  /**
   * Replaces the executable by `DIRECTORY/mycelium`. The directory lies in the state directory and holds the release's
   * SHA256SUMS and SHA256SUMS.sig too, which the helper verifies itself. Resolves with the version now installed.
   * Rejects with UPDATE_REFUSED when it is not that release, or older than what is installed.
   */
  installLauncher(directory: string): Promise<string> {
    return this.#ask(`install-launcher ${directory}`, "UPDATE_REFUSED");
  }

  async startUnit(name: UnitName): Promise<void> {
    await this.#ask(`unit start ${name}`);
  }

  async stopUnit(name: UnitName): Promise<void> {
    await this.#ask(`unit stop ${name}`);
  }

  /** systemd's word: active, inactive, failed, activating ... */
  unitState(name: UnitName): Promise<string> {
    return this.#ask(`unit status ${name}`);
  }

  /** `name` begins with "myc". */
  async createInterface(name: string, kind: InterfaceKind): Promise<void> {
    await this.#ask(`interface create ${name} ${kind}`);
  }

  async changeInterface(name: string, change: InterfaceChange): Promise<void> {
    await this.#ask(`interface change ${name} ${changeWords(change)}`);
  }

  async deleteInterface(name: string): Promise<void> {
    await this.#ask(`interface delete ${name}`);
  }

  async #ask(request: string, refusedCode: ErrorCode = "FORBIDDEN"): Promise<string> {
    const answer = await exchange(this.#socketPath, `${request}\n`);
    const match = /^(ok|refused|failed) ([\x20-\x7e]*)\n$/.exec(answer);
    if (match === null) {
      throw new MyceliumError("MALFORMED", `Cannot ask the root helper: it answered nothing known`);
    }
    const [, outcome, words = ""] = match;
    if (outcome === "ok") return words;
    const code = outcome === "refused" ? refusedCode : "STATE_NOT_WRITABLE";
    throw new MyceliumError(code, `The root helper ${outcome} "${request}": ${words}`);
  }
}

function changeWords(change: InterfaceChange): string {
  switch (change.kind) {
    case "up":
    case "down":
      return change.kind;
    case "mtu":
      return `mtu ${change.mtu}`;
    default:
      return `${change.kind} ${change.address}`;
  }
}

function exchange(socketPath: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath });
    let answer = "";
    socket.setEncoding("latin1");
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(tooLate()));
    socket.once("connect", () => socket.write(line));
    socket.on("data", (text: string) => {
      answer += text;
      if (answer.length > ANSWER_SIZE_MAX || answer.includes("\n")) socket.destroy();
    });
    socket.once("error", (error) =>
      reject(errorCodeOf(error) ? error : unreachable(socketPath, error)),
    );
    socket.once("close", () => resolve(answer.slice(0, ANSWER_SIZE_MAX)));
  });
}

function tooLate(): MyceliumError {
  return new MyceliumError(
    "TIMEOUT",
    `Cannot ask the root helper: no answer within ${ANSWER_TIMEOUT_MS / 1_000} s; see \`journalctl -u 'mycelium-helper@*'\``,
  );
}

function unreachable(socketPath: string, error: Error): MyceliumError {
  return new MyceliumError(
    "NOT_RUNNING",
    `Cannot ask the root helper at ${socketPath}: ${messageOf(error)}; install.sh run as root sets it up`,
    { cause: error },
  );
}
