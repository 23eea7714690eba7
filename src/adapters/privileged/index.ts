export { installLauncher, type LauncherInstallation } from "./install-launcher.ts";
export {
  type InterfaceChange,
  type InterfaceKind,
  RootHelper,
  type UnitName,
} from "./root-helper.ts";
