/**
 * What may happen to the record of the slots, as pure changes. A trial always has a standby to go back to; the active
 * core of a confirmed record may run whatever happens; the floor only rises.
 */

import { assert } from "../../base/index.ts";
import { type CheckedStat, NEVER_CHECKED, type SlotCore, type SlotRecord } from "./slot-record.ts";

/** A whole core is in the other slot, in place of the one that was there. A core that was refused is forgiven. */
export function withStandby(record: SlotRecord, core: SlotCore, checked: CheckedStat): SlotRecord {
  assert(core.sha256 !== record.active.sha256, "the active core is no standby");
  assert(record.state === "confirmed", "a trial keeps the standby it would go back to");
  const forgiven = record.refused === core.sha256;
  return {
    ...record,
    standby: core,
    checkedStandby: checked,
    ...(forgiven ? { refused: null, reason: null } : {}),
  };
}

/** The standby's file is about to go: for room, or because it is damaged. */
export function withoutStandby(record: SlotRecord): SlotRecord {
  assert(record.state === "confirmed", "a trial keeps the standby it would go back to");
  return { ...record, standby: null, checkedStandby: NEVER_CHECKED };
}

/** The standby becomes active, on trial. */
export function switched(record: SlotRecord, nowMs: number): SlotRecord {
  assert(record.standby !== null && record.state === "confirmed", "there is a core to switch to");
  return {
    ...swapped(record, record.standby),
    state: "trial",
    boots: 0,
    trialSinceMs: Math.max(0, Math.floor(nowMs)),
    refused: record.refused === record.standby.sha256 ? null : record.refused,
    reason: record.refused === record.standby.sha256 ? null : record.reason,
  };
}

/** The active core ends because it was asked to: no start is held against it, and no guardian starts it again. */
export function endedAsAsked(record: SlotRecord): SlotRecord {
  return { ...record, boots: 0 };
}

/** The active core has proven itself. */
export function confirmed(record: SlotRecord): SlotRecord {
  return { ...record, state: "confirmed", boots: 0, trialSinceMs: 0 };
}

/** Back to the core before, which was confirmed once; the active one is refused, for this reason. */
export function reverted(record: SlotRecord, reason: string): SlotRecord {
  assert(record.standby !== null, "there is a core to go back to");
  return {
    ...confirmed(swapped(record, record.standby)),
    refused: record.active.sha256,
    reason,
  };
}

/** The launcher's file carries this core now: the launcher takes it for no other release that was installed. */
export function withPayload(record: SlotRecord, sha256: string): SlotRecord {
  return { ...record, payload: sha256 };
}

export function withFloor(record: SlotRecord, stateFormat: number): SlotRecord {
  return { ...record, floor: Math.max(record.floor, stateFormat) };
}

function swapped(record: SlotRecord, standby: SlotCore): SlotRecord {
  return {
    ...record,
    active: standby,
    standby: record.active,
    checkedActive: record.checkedStandby,
    checkedStandby: record.checkedActive,
  };
}
