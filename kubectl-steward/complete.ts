import { globalOptions, type Option } from "./command.ts";
import { commands } from "./commands/index.ts";

/** What the shell does after the candidates: 4, do not fall back to file names. Source: cobra's ShellCompDirective, which kubectl reads. */
const noFiles = ":4";
const files = ":0";

/**
 * Candidates for the last of `words`, one a line with a tab and its description, and the directive as the last line. kubectl calls
 * `kubectl_complete-steward` with what was typed after `kubectl steward`, the last word being the one to complete, maybe empty.
 */
export function candidates(words: readonly string[]): string[] {
  const typed = words.slice(0, -1);
  const current = words.at(-1) ?? "";
  const known = typed.filter((word) => !word.startsWith("-"));
  const command =
    commands.find(({ name }) => name === known.slice(0, 2).join(" ")) ?? commands.find(({ name }) => name === known[0]);
  const options: Record<string, Option> = { ...globalOptions, ...command?.options };

  const awaiting = optionNamed(options, typed.at(-1) ?? "");
  if (awaiting !== null && awaiting.type === "string") {
    return awaiting.choices === undefined
      ? [awaiting.value === "FILE" ? files : noFiles]
      : [...matching(awaiting.choices, current), noFiles];
  }
  if (current.startsWith("-")) {
    const flags = Object.entries(options).map(([name, { describe }]) => `--${name}\t${describe}`);
    return [...matching(flags, current), noFiles];
  }
  const next = commands.filter(
    ({ name }) => name.split(" ").length === known.length + 1 && name.startsWith(`${[...known, ""].join(" ")}`),
  );
  const words_ =
    known.length === 0 ? firstWords() : next.map(({ name, summary }) => `${name.split(" ").at(-1)}\t${summary}`);
  return [...matching(words_, current), noFiles];
}

function firstWords(): string[] {
  const seen = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = name] = name.split(" ");
    if (!seen.has(first)) seen.set(first, summary);
  }
  return [...seen, ["version", "Print the version of the plugin"]].map(([name, summary]) => `${name}\t${summary}`);
}

function matching(candidates: readonly string[], beginning: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(beginning));
}

function optionNamed(options: Readonly<Record<string, Option>>, word: string): Option | null {
  if (word.startsWith("--")) return options[word.slice(2)] ?? null;
  if (!/^-[a-zA-Z]$/.test(word)) return null;
  return Object.values(options).find(({ alias }) => alias === word.slice(1)) ?? null;
}
