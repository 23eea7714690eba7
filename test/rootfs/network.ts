/** The network of the machines under test: a bridge of this host, one address for each, nothing beyond. */

import { spawnSync } from "node:child_process";

export const BRIDGE = "mycrootfs";
const SUBNET = "10.213.77";
export const HOST_ADDRESS = `${SUBNET}.1`;

export const machineAddress = (number: number) => `${SUBNET}.${number + 10}`;

export function makeBridge(): void {
  removeBridge();
  ip("link", "add", BRIDGE, "type", "bridge");
  ip("addr", "add", `${HOST_ADDRESS}/24`, "dev", BRIDGE);
  ip("link", "set", BRIDGE, "up");
}

export function removeBridge(): void {
  spawnSync("ip", ["link", "delete", BRIDGE]);
}

function ip(...words: string[]): void {
  const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot make ${BRIDGE}: ip ${words.join(" ")}: ${stderr}`);
}
