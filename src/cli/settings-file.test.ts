import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { loadConfig, settingFlags } from "../domain/config/index.ts";
import { withSettings } from "./settings-file.ts";

describe("withSettings()", () => {
  test("replaces a setting where it stands and keeps comments", () => {
    const before = '# mine\nport = 1 # old\nP2P_PORT = "2"\n';
    expect(withSettings(before, [["port", "8081"]])).toBe(
      '# mine\nPORT = "8081"\nP2P_PORT = "2"\n',
    );
  });

  test("adds what is not there at the end", () => {
    expect(withSettings("", [["p2p-port", "1"]])).toBe('P2P_PORT = "1"\n');
  });

  test("any value reads back as it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        const printable = value.replace(/\p{C}/gu, "");
        const text = withSettings("A = 1\n", [["network-name", printable]]);
        expect(Bun.TOML.parse(text)).toEqual({ A: 1, NETWORK_NAME: printable });
      }),
    );
  });
});

test("what init keeps of each setting is what the next run reads", () => {
  for (const { flag } of settingFlags()) {
    const text = withSettings("", [[flag, "no such value ever"]]);
    const load = () => loadConfig({ file: { path: "config.toml", text } });
    if (flag !== "config") expect(load).not.toThrow("there is no such setting");
  }
});
