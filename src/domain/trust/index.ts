export { VALIDATOR_WEIGHT_MAX, voteWeight } from "./vote-weight.ts";
