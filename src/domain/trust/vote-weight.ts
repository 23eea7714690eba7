/** What a validator's vote weighs before levelling: the base of its trust tier times the operator's factor. */

import { assert } from "../../base/index.ts";
import type { TrustTier } from "../identity/index.ts";

export const TIER_BASE_WEIGHT: Readonly<Record<TrustTier, number>> = { 0: 4, 1: 2, 2: 1 };

/** Bounds of the operator's factor (VALIDATOR_WEIGHT). */
export const VALIDATOR_WEIGHT_MAX = 100;

/** A whole number from 1. */
export function voteWeight(tier: TrustTier, validatorWeight: number): number {
  const fits =
    Number.isInteger(validatorWeight) &&
    validatorWeight >= 1 &&
    validatorWeight <= VALIDATOR_WEIGHT_MAX;
  assert(fits, `a validator's weight is 1 to ${VALIDATOR_WEIGHT_MAX}, not ${validatorWeight}`);
  return TIER_BASE_WEIGHT[tier] * validatorWeight;
}
