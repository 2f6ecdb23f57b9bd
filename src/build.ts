// What was built: the version, and a hash over the sources, both stamped in by build.ts.

declare const PORT_DADDY_VERSION: string | undefined;
declare const PORT_DADDY_CODE_HASH: string | undefined;

export type Build = { version: string; codeHash: string };

/** Run from the sources, as tests do, nothing is stamped in. */
export const build: Build = {
  version: typeof PORT_DADDY_VERSION === "string" ? PORT_DADDY_VERSION : "0.0.0-source",
  codeHash: typeof PORT_DADDY_CODE_HASH === "string" ? PORT_DADDY_CODE_HASH : "000000000000",
};
