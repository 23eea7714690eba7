import { expect, test } from "bun:test";
import { splitAddress } from "./link-sockets.ts";

test("splitAddress() reads names, IPv4 and bracketed IPv6", () => {
  expect(splitAddress("pi.local:9090")).toEqual({ host: "pi.local", port: 9090 });
  expect(splitAddress("10.0.0.1:1")).toEqual({ host: "10.0.0.1", port: 1 });
  expect(splitAddress("[fe80::1%eth0]:9090")).toEqual({ host: "fe80::1%eth0", port: 9090 });
});

test("splitAddress() is null for anything else", () => {
  for (const address of [
    "",
    "host",
    "host:",
    "host:0",
    "host:65536",
    "::1:9090",
    "a b:1",
    "a/b:1",
  ]) {
    expect(splitAddress(address)).toBeNull();
  }
});
