/** What the documents say, read the way a test can hold it against the programs. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { pluginBundle } from "./plugin.ts";

/** Blocks of this language, without their fences. */
export function blocksOf(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, name, text]) =>
    name === language && text !== undefined ? [text] : [],
  );
}

/** Rows `| \`key\` | default | …` of its tables; null where the default column says none. */
export function settingsIn(markdown: string): Map<string, { default: unknown } | null> {
  const rows = [...markdown.matchAll(/^\| `([^`]+)` +\| (?:`([^`]*)`|–) +\|/gm)];
  return new Map(
    rows.map(([, key = "", given]) => [key, given === undefined ? null : { default: parseYaml(given) as unknown }]),
  );
}

interface Node {
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
  allOf?: Node[];
  default?: unknown;
}

/** Every key of a schema by its path, `[]` after a list's name, with its default where it has one of its own. */
export function settingsOf(schema: z.ZodType): Map<string, { default: unknown } | null> {
  const found = new Map<string, { default: unknown } | null>();
  const walk = (node: Node, path: string) => {
    const kinds = [node, ...(node.anyOf ?? []), ...(node.allOf ?? [])];
    const fields = kinds.flatMap(({ properties }) => Object.entries(properties ?? {}));
    for (const [name, field] of fields) walk(field, path === "" ? name : `${path}.${name}`);
    const items = kinds.flatMap(({ items: item }) =>
      item?.properties === undefined && item?.allOf === undefined ? [] : [item],
    );
    for (const item of items) walk(item, `${path}[]`);
    if (fields.length === 0 && items.length === 0)
      found.set(path, "default" in node ? { default: node.default } : null);
  };
  walk(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node, "");
  return found;
}

/** What the plugin says of itself. Rejects when it does not exit with 0. */
export async function helpOf(command: string): Promise<string> {
  const words = command.split(" ").filter((word) => word !== "");
  const { stdout } = await promisify(execFile)(process.execPath, [pluginBundle, ...words, "--help"], {
    env: { PATH: process.env["PATH"] ?? "" },
  });
  return stdout;
}

/** Subcommands as the overview lists them: `approve`, `users add`. */
export function commandsIn(overview: string): string[] {
  const list = /^Commands:\n([\s\S]*?)\n\n/m.exec(overview)?.[1] ?? "";
  return list.split("\n").map((line) => (/^ {2}([a-z]+(?: [a-z]+)?)/.exec(line)?.[1] ?? "").trim());
}

/** docs/cli.md, made of what the plugin says: the overview, then each command with the flags that are its own. */
export async function commandReference(): Promise<string> {
  const overview = (await helpOf("")).trimEnd();
  const commands = await Promise.all(
    commandsIn(overview).map(async (name) => ({ name, ...readHelp(await helpOf(name)) })),
  );
  // `version` is answered before any flag is known.
  const common = commands
    .filter(({ name }) => name !== "version")
    .map(({ flags }) => flags)
    .reduce((all, flags) => all.filter((flag) => flags.includes(flag)));
  const list = (flags: readonly string[]) => flags.map((flag) => `- \`${flag.replace(/ {2,}/, "` ")}`);
  return [
    "# kubectl steward",
    "",
    "Made from the plugin's own help by `UPDATE_DOCS=1 npx tsx --test test/96-docs.test.ts`.",
    "",
    "```text",
    overview,
    "```",
    "",
    "Every command takes:",
    "",
    ...list(common),
    ...commands.flatMap(({ name, about, flags }) => {
      const own = flags.filter((flag) => !common.includes(flag));
      return ["", `## ${name}`, "", "```text", about, "```", ...(own.length === 0 ? [] : ["", ...list(own)])];
    }),
    "",
  ].join("\n");
}

/** A help text in two: what it says, and one line for each flag, with two blanks between its name and what it does. */
function readHelp(text: string): { about: string; flags: string[] } {
  const [about = "", options = ""] = text.split("\nOptions:\n");
  const flags: string[] = [];
  for (const line of options.split("\n")) {
    const begun = /^ {2,6}(-\w, )?\s*(--[a-z-]+)\s+(.*)$/.exec(line);
    if (begun !== null) flags.push(`${begun[1] ?? ""}${begun[2]}  ${begun[3]?.replaceAll(/\s+/g, " ")}`);
    else if (line.trim() !== "" && flags.length > 0)
      flags.push(`${flags.pop()} ${line.trim().replaceAll(/\s+/g, " ")}`);
  }
  return { about: about.trimEnd(), flags };
}
