/** A Debian root file system with systemd, made once by debootstrap from the mirror that apt uses, kept in .cache. */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { resolve } from "node:path";

export type Arch = "x64" | "arm64";

const CACHE = resolve(import.meta.dir, "../../.cache/rootfs");
const USUAL_SUITE = "bookworm";
const DEBIAN_ARCH: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };
const PACKAGES =
  "systemd,systemd-sysv,dbus,ca-certificates,curl,wget,openssl,procps,iproute2,util-linux,socat";
const BINFMT = "/proc/sys/fs/binfmt_misc";
const QEMU = "/usr/bin/qemu-aarch64-static";
/** binfmt_misc(5): an arm64 ELF goes to qemu, which the kernel opens now (F), so that no root needs it. */
const ARM64_FORMAT =
  ":mycelium-arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00" +
  ":\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff" +
  `:${QEMU}:F`;

/** Null when a rootfs of `arch` can run here, else why not. */
export function whyNoRootfs(arch: Arch): string | null {
  if (process.getuid?.() !== 0) return "found no root";
  for (const tool of ["systemd-nspawn", "debootstrap", "nsenter", "openssl"]) {
    if (Bun.which(tool) === null)
      return `${tool} is missing (Debian: apt-get install systemd-container debootstrap)`;
  }
  if (arch === process.arch) return null;
  if (arch !== "arm64") return `there is no emulator for ${arch} on ${process.arch}`;
  if (!existsSync(QEMU)) return `${QEMU} is missing (Debian: apt-get install qemu-user-static)`;
  return registerEmulator();
}

/** The directory of a root file system of that release to lay others over; takes minutes the first time. */
export function debianRootfs(arch: Arch, suite: string): string {
  const path = suite === USUAL_SUITE ? `${CACHE}/${arch}` : `${CACHE}/${arch}-${suite}`;
  if (existsSync(path)) return path;
  const fresh = `${path}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  console.log(`      debootstrap ${suite} ${arch}: this takes minutes, once`);
  const words = [`--arch=${DEBIAN_ARCH[arch]}`, "--variant=minbase", `--include=${PACKAGES}`];
  const { status } = spawnSync("debootstrap", [...words, suite, fresh, mirror()], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`Cannot make ${path}: debootstrap ended with ${status}`);
  renameSync(fresh, path);
  return path;
}

/** What apt on this machine takes Debian's packages from. */
function mirror(): string {
  const lists = readdirSync("/etc/apt/sources.list.d").map(
    (name) => `/etc/apt/sources.list.d/${name}`,
  );
  for (const file of ["/etc/apt/sources.list", ...lists].filter((name) => existsSync(name))) {
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(https?:\/\/\S+\/debian\/?)(?:\s|$)/m.exec(
      readFileSync(file, "utf8"),
    );
    if (found?.[1] !== undefined) return found[1];
  }
  throw new Error("Cannot make a rootfs: apt here names no Debian mirror");
}

function registerEmulator(): string | null {
  if (existsSync(`${BINFMT}/qemu-aarch64`) || existsSync(`${BINFMT}/mycelium-arm64`)) return null;
  if (!existsSync(`${BINFMT}/register`))
    spawnSync("mount", ["-t", "binfmt_misc", "binfmt_misc", BINFMT]);
  try {
    writeFileSync(`${BINFMT}/register`, ARM64_FORMAT);
    return null;
  } catch {
    return "the kernel takes no emulator (binfmt_misc)";
  }
}
