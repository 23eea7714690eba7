/** What this build says of itself: build/core.ts defines it in a release. */

import manifest from "../../../package.json" with { type: "json" };

declare const BUILD_VERSION: string | undefined;
declare const BUILD_TIME_MS: number | undefined;
declare const BUILD_ROOT: string | undefined;

/** package.json's, unless a release is built under another. */
export const VERSION: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : manifest.version;
/** The commit's time in Unix milliseconds: no clock may be behind it. 0 in a development build. */
export const BUILT_AT_MS: number = typeof BUILD_TIME_MS === "number" ? BUILD_TIME_MS : 0;
/** The TUF root that is trusted first, JSON; null in a development build. */
export const TRUSTED_ROOT: string | null = typeof BUILD_ROOT === "string" ? BUILD_ROOT : null;
