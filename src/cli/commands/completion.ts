/** `mycelium completion SHELL`: a script made from the tree of commands. */

import { MyceliumError } from "../../base/index.ts";
import { type Command, command } from "../command.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "../completion/index.ts";
import { EXIT } from "../exit-code.ts";

const SHELLS: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** `commands` are asked for late: completion is one of them. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return command({
    name: "completion",
    summary: "Print a completion script for bash, zsh or fish",
    examples: [
      "source <(mycelium completion bash)",
      "mycelium completion zsh > ~/.zfunc/_mycelium",
      "mycelium completion fish > ~/.config/fish/completions/mycelium.fish",
    ],
    args: { shell: { type: "positional", required: true, description: "bash, zsh or fish" } },
    run: async (args, { terminal }) => {
      const script = SHELLS[args.shell];
      if (script === undefined) {
        throw new MyceliumError(
          "BAD_ARGUMENT",
          `Cannot print a completion script: found shell "${args.shell}", needed bash, zsh or fish`,
        );
      }
      const text = script(commands());
      terminal.out(args.json ? JSON.stringify({ shell: args.shell, script: text }) : text);
      return EXIT.ok;
    },
  });
}
