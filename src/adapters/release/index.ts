export { type ReleaseSourceSettings, releaseSource } from "./release-source.ts";
