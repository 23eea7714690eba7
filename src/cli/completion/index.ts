export { bashCompletion } from "./bash.ts";
export { fishCompletion } from "./fish.ts";
export { zshCompletion } from "./zsh.ts";
