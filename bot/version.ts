import manifest from "../package.json" with { type: "json" };

/** The version of this build; bot and plugin are released together. */
export const version: string = manifest.version;
