import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireOwnPackages } from "./own-packages.ts";

const folder = mkdtempSync(join(tmpdir(), "mycelium-packages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [checkout, elsewhere] = [join(folder, "checkout"), join(folder, "elsewhere")];
const modules = join(checkout, "node_modules");

beforeEach(() => {
  for (const place of [checkout, elsewhere]) {
    rmSync(place, { recursive: true, force: true });
    for (const name of ["cbor-x", "@noble/hashes"]) {
      mkdirSync(join(place, "node_modules", name), { recursive: true });
    }
  }
});

function replaceByLink(name: string): void {
  rmSync(join(modules, name), { recursive: true });
  symlinkSync(join(elsewhere, "node_modules", name), join(modules, name));
}

test("a checkout with packages of its own can be released, reached through a link as well", () => {
  mkdirSync(join(modules, ".bin"));
  symlinkSync("/bin/sh", join(modules, ".bin", "tool"));
  symlinkSync(join(modules, "cbor-x"), join(modules, "same"));
  requireOwnPackages(checkout);
  symlinkSync(checkout, join(folder, "link"));
  requireOwnPackages(join(folder, "link"));
});

test("packages that are links out of the checkout are refused, with what to do", () => {
  for (const name of ["cbor-x", "@noble", "@noble/hashes"]) {
    replaceByLink(name);
    expect(() => requireOwnPackages(checkout)).toThrow(
      `${join(modules, name)} is a link to ${join(elsewhere, "node_modules", name)}`,
    );
    rmSync(join(modules, name));
    mkdirSync(join(modules, name));
    mkdirSync(join(modules, "@noble", "hashes"), { recursive: true });
  }
  rmSync(modules, { recursive: true });
  symlinkSync(join(elsewhere, "node_modules"), modules);
  expect(() => requireOwnPackages(checkout)).toThrow("run `bun install --frozen-lockfile`");
});
