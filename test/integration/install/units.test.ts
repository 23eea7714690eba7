/** The systemd units: hardened as far as systemd's own measure goes, and carried whole by the published install.sh. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { publishedInstallScript } from "../../../build/install-script.ts";

const SYSTEMD = resolve(import.meta.dir, "../../../systemd");
const UNITS = ["mycelium.service", "mycelium-helper.socket", "mycelium-helper@.service"];
/** `systemd-analyze security` in tenths: 3.0. */
const EXPOSURE_MAX = "30";
/** The first whose `security` reads unit files offline. */
const SYSTEMD_VERSION_MIN = 250;

describe("units", () => {
  for (const unit of ["mycelium.service", "mycelium-helper@.service"]) {
    test(`${unit} is exposed 3.0 at most`, () => {
      const version = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" }).stdout;
      if (!(Number(/\d+/.exec(version ?? "")?.[0]) >= SYSTEMD_VERSION_MIN)) {
        console.log(
          `not measured: systemd-analyze ${SYSTEMD_VERSION_MIN} or newer is missing here`,
        );
        return;
      }
      const scratch = mkdtempSync(join(tmpdir(), "mycelium-units-"));
      // A template is measured by one of its instances.
      const file = join(scratch, unit.replace("@", "@1"));
      copyFileSync(join(SYSTEMD, unit), file);
      const words = [
        "security",
        "--offline=true",
        `--threshold=${EXPOSURE_MAX}`,
        "--no-pager",
        file,
      ];
      const { status, stdout } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
      rmSync(scratch, { recursive: true });
      expect({ status, last: stdout.trim().split("\n").at(-1) }).toMatchObject({ status: 0 });
    });
  }

  test("the published install.sh prints each as it is here", () => {
    const script = publishedInstallScript({ url: "https://example.org/r/", keyPem: "PEM\nKEY\n" });
    const functions = script.slice(0, script.lastIndexOf("{ main"));
    for (const unit of UNITS) {
      const { stdout } = spawnSync("sh", ["-s", unit], {
        input: `${functions}\nprint_unit "$1"\n`,
      });
      expect(stdout.toString()).toBe(readFileSync(join(SYSTEMD, unit), "utf8"));
    }
    const { stdout } = spawnSync("sh", ["-s"], {
      input: `${functions}\nprintf '%s|%s' "$release_url" "$release_key"\n`,
    });
    expect(stdout.toString()).toBe("https://example.org/r|PEM\nKEY");
  });

  test("the published install.sh passes shellcheck", () => {
    if (Bun.which("shellcheck") === null) {
      console.log("not checked: shellcheck is missing here");
      return;
    }
    const script = publishedInstallScript({ url: "https://example.org/r", keyPem: "KEY" });
    const { stdout } = spawnSync("shellcheck", ["-s", "sh", "-e", "SC1091", "-"], {
      input: script,
    });
    expect(stdout.toString()).toBe("");
  });

  test("a value with a quote is not published", () => {
    expect(() => publishedInstallScript({ url: "https://x/'; rm", keyPem: "KEY" })).toThrow(
      /quote/,
    );
  });
});
