export { TIER_BASE_WEIGHT, VALIDATOR_WEIGHT_MAX, voteWeight } from "./vote-weight.ts";
