export { compareVersions } from "./compare-versions.ts";
export {
  type Config,
  type ConfigEntry,
  type ConfigInput,
  configFileOf,
  explainConfig,
  loadConfig,
} from "./load-config.ts";
export { nearestName } from "./nearest-name.ts";
export { settingFlags, settingsTable } from "./settings-table.ts";
