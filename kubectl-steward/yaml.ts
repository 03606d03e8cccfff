import { readFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { cleanDeep } from "./clean-deep.ts";
import { exit, Failure } from "./exit.ts";

/** Reads a file that the user named; JSON is a part of YAML. Throws Failure (usage) with the path. */
export async function readYaml(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, "utf8"), { maxAliasCount: 100 });
  } catch (error) {
    throw new Failure(exit.usage, `${path} cannot be read: ${error instanceof Error ? error.message : "unknown"}`);
  }
}

/** YAML that is fit for a terminal. */
export function toYaml(value: object): string {
  return stringify(cleanDeep(value), { lineWidth: 0 }).trimEnd();
}
