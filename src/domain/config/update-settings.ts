/** The settings of self-update: where releases come from, when they are taken, and how a new one proves itself. */

import { optionalSetting, setting } from "./setting.ts";
import { choiceType, durationType, sizeType, textType } from "./value-type.ts";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MIB = 1_048_576;

const path = textType("path", "a path", /^[^\0\n]{1,1024}$/);
const place = textType(
  "place",
  "an https:// or http:// URL, or a directory",
  /^(https?:\/\/[^\s]{1,2000}|[^\0\n]{1,1024})$/,
);
const timeOfDay = /([01]\d|2[0-3]):[0-5]\d/.source;
const window = textType(
  "window",
  "HH:MM-HH:MM in local time",
  new RegExp(`^${timeOfDay}-${timeOfDay}$`),
);

export const UPDATE_SETTINGS = {
  updateUrl: optionalSetting(
    "UPDATE_URL",
    place,
    "none: this node looks for no releases",
    "the release directory that is looked at",
  ),
  updateChannel: setting(
    "UPDATE_CHANNEL",
    choiceType("stable", "edge"),
    "stable",
    "whose releases are followed",
  ),
  updateApproval: setting(
    "UPDATE_APPROVAL",
    choiceType("auto", "operator"),
    "auto",
    "how this node votes on a release it verified: at once, or by `mycelium update approve`",
  ),
  updateWindow: optionalSetting(
    "UPDATE_WINDOW",
    window,
    "always",
    "time of day in which this node lets itself be updated",
  ),
  updateCheckIntervalMs: setting(
    "UPDATE_CHECK_INTERVAL",
    durationType(SECOND_MS, 30 * DAY_MS),
    "6h",
    "between looks for a release",
  ),
  updateRoot: optionalSetting(
    "UPDATE_ROOT",
    path,
    "the one in the executable",
    "file of the trusted root of releases (root.json)",
  ),
  updateConfirmAfterMs: setting(
    "UPDATE_CONFIRM_AFTER",
    durationType(100, HOUR_MS),
    "60s",
    "a new version that is healthy for so long stays",
  ),
  updateHealthIntervalMs: setting(
    "UPDATE_HEALTH_INTERVAL",
    durationType(50, 60 * SECOND_MS),
    "10s",
    "between looks at the health of a new version",
  ),
  updateMemoryMaxBytes: optionalSetting(
    "UPDATE_MEMORY_MAX",
    sizeType(MIB, 1_048_576 * MIB),
    "three times that of the version before, at least 300 MiB",
    "memory (RSS) at which a new version is taken back",
  ),
} as const;
