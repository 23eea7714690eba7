/**
 * sd_notify(3): tells systemd READY, STOPPING and WATCHDOG over the datagram socket it named. Neither Bun nor Node
 * speaks Unix datagrams, so this is libc's socket and sendto. Without a socket every call does nothing.
 */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { MyceliumError, utf8 } from "../../base/index.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of unix(7). */
const PATH_SIZE_MAX = 107;

export interface SystemdNotifier {
  /** Newline-separated assignments: "READY=1\nSTATUS=serving". */
  notify(state: string): void;
}

/** `socketPath` is NOTIFY_SOCKET; "@" begins an abstract name. Throws BAD_CONFIG when it cannot be used. */
export function openSystemdNotifier(socketPath: string | null): SystemdNotifier {
  if (socketPath === null) return { notify: () => {} };
  const address = addressOf(socketPath);
  const libc = dlopen("libc.so.6", {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    sendto: {
      args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
      returns: FFIType.i64,
    },
  });
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0)
    throw new MyceliumError("BAD_CONFIG", "Cannot notify systemd: no datagram socket to be had");
  return {
    notify(state) {
      const message = utf8(state);
      // A supervisor that went away is no reason to stop serving: the result is not looked at.
      libc.symbols.sendto(
        fd,
        ptr(message),
        message.length,
        MSG_NOSIGNAL,
        ptr(address),
        address.length,
      );
    },
  };
}

function addressOf(socketPath: string): Uint8Array {
  const path = utf8(socketPath.replace(/^@/, "\0"));
  if (path.length === 0 || path.length > PATH_SIZE_MAX) {
    throw new MyceliumError(
      "BAD_CONFIG",
      `Cannot notify systemd: found NOTIFY_SOCKET of ${path.length} bytes`,
    );
  }
  const address = new Uint8Array(2 + path.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  return address;
}
