export { becomeLauncher, ownArguments } from "./become-launcher.ts";
export { SlotDirectory, slotOf } from "./slot-directory.ts";
