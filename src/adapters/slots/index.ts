export { becomeLauncher, ownArguments } from "./become-launcher.ts";
export { readTrailer } from "./read-trailer.ts";
export { SlotDirectory, slotOf } from "./slot-directory.ts";
