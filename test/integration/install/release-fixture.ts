/** A small release directory, made by hand: a program for each architecture, the sums, their signature. */

import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishedInstallScript } from "../../../build/install-script.ts";

export interface ReleaseKey {
  readonly privateKey: KeyObject;
  readonly publicPem: string;
}

export function makeReleaseKey(): ReleaseKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return { privateKey, publicPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}

export interface ReleaseOptions {
  readonly directory: string;
  readonly key: ReleaseKey;
  /** What install.sh is made for; empty: no place. */
  readonly url: string;
  /** The program of every architecture, by version; the last is the newest. */
  readonly versions: Readonly<Record<string, Uint8Array>>;
}

export function makeRelease({ directory, key, url, versions }: ReleaseOptions): void {
  const sums: string[] = [];
  const put = (path: string, bytes: Uint8Array) => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  };
  for (const [version, program] of Object.entries(versions)) {
    const digest = sha256(program);
    for (const arch of ["x64", "arm64"]) {
      const name = `mycelium-linux-${arch}`;
      put(`targets/${version}/${digest}.${name}`, program);
      put(name, program);
      sums.push(`${digest}  ${version}/${name}`);
    }
  }
  const newest = sha256(Object.values(versions).at(-1)!);
  for (const arch of ["x64", "arm64"]) sums.push(`${newest}  mycelium-linux-${arch}`);
  put("install.sh", Buffer.from(publishedInstallScript({ url, keyPem: key.publicPem })));
  putSums(directory, key, `${sums.join("\n")}\n`);
}

export function putSums(directory: string, key: ReleaseKey, sums: string): void {
  writeFileSync(join(directory, "SHA256SUMS"), sums);
  const signature = sign("sha256", Buffer.from(sums), key.privateKey);
  writeFileSync(join(directory, "SHA256SUMS.sig"), signature);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
