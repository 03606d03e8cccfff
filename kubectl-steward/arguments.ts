import yargs from "yargs";
import { type Command, type GlobalOptions, globalOptions, type Option, type Options, readOptions } from "./command.ts";
import { commands } from "./commands/index.ts";
import { exit, Failure } from "./exit.ts";

export type Chosen =
  | { command: Command; words: readonly string[]; options: Readonly<Record<string, unknown>>; global: GlobalOptions }
  | { help: string };

/** Which subcommand, with what; or the help that was asked for. Throws Failure (usage) for anything else. */
export async function choose(args: readonly string[], columns: number): Promise<Chosen> {
  const named = findCommand(args);
  if (named === null) return { help: overview(args) };
  const { command, after } = named;
  const { own, verbatim } = command.verbatim === true ? takeVerbatim(args, after) : { own: args, verbatim: [] };
  const options: Options = { ...globalOptions, ...command.options };
  const parser = parserFor(own, options, columns).usage(usageOf(command));
  const found = parsed(parser);
  if (found["help"] === true) return { help: await parser.getHelp() };
  const words = [...found._.map(String).slice(command.name.split(" ").length), ...verbatim];
  checkWords(command, words);
  return { command, words, options: found, global: readOptions(globalOptions, found) };
}

function parserFor(args: readonly string[], options: Options, columns: number) {
  const parser = yargs([...args])
    .scriptName("kubectl steward")
    .locale("en")
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? wrong(message);
    })
    .parserConfiguration({
      "boolean-negation": false,
      "camel-case-expansion": false,
      "dot-notation": false,
      "duplicate-arguments-array": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
    })
    .help(false)
    .version(false)
    .wrap(Math.min(120, columns))
    .option("help", { type: "boolean", alias: "h", describe: "Show this help" })
    .strictOptions();
  for (const [name, { type, describe, alias, choices }] of Object.entries(options)) {
    parser.option(name, {
      type,
      describe,
      ...(alias === undefined ? {} : { alias }),
      ...(choices === undefined ? {} : { choices: [...choices] }),
      ...(type === "string" ? { requiresArg: true } : {}),
    });
  }
  return parser;
}

function parsed(parser: ReturnType<typeof parserFor>) {
  try {
    return parser.parseSync();
  } catch (error) {
    // A flag without its value is thrown past the handler above.
    if (error instanceof Error && error.name === "YError") throw wrong(error.message);
    throw error;
  }
}

function wrong(message: string): Failure {
  return new Failure(exit.usage, `${message}\nsee 'kubectl steward --help'`);
}

/** The subcommand that the words among the arguments name, the longest first, and where its own arguments begin. */
function findCommand(args: readonly string[]): { command: Command; after: number } | null {
  const all: Record<string, Option> = { ...globalOptions };
  for (const { options } of commands) Object.assign(all, options);
  const words: { word: string; at: number }[] = [];
  for (let at = 0; at < args.length && words.length < 2; at++) {
    const arg = args[at] ?? "";
    if (arg === "--") break;
    if (!arg.startsWith("-")) words.push({ word: arg, at });
    else if (takesValue(all, arg)) at++;
  }
  const [first, second] = words;
  if (first === undefined) return null;
  const pair = second && commands.find(({ name }) => name === `${first.word} ${second.word}`);
  if (pair !== undefined && second !== undefined) return { command: pair, after: second.at + 1 };
  const single = commands.find(({ name }) => name === first.word);
  if (single !== undefined) return { command: single, after: first.at + 1 };
  const group = commands.filter(({ name }) => name.startsWith(`${first.word} `)).map(({ name }) => name);
  const hint = group.length > 0 ? `one of: ${group.join(", ")}` : "see 'kubectl steward --help'";
  if (group.length > 0 && args.some((arg) => arg === "-h" || arg === "--help")) return null;
  throw new Failure(
    exit.usage,
    `unknown command "${words.map(({ word }) => word).join(" ")}" for "kubectl steward": ${hint}`,
  );
}

/** Splits what belongs to the plugin from a command line that is passed on as it is: there `-n` is that line's own. */
function takeVerbatim(args: readonly string[], after: number): { own: string[]; verbatim: string[] } {
  const { namespace: _n, "all-namespaces": _a, ...known } = globalOptions;
  const options: Options = { ...known, help: { type: "boolean", alias: "h", describe: "" } };
  const own = args.slice(0, after);
  const verbatim: string[] = [];
  for (let at = after; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--") continue;
    if (optionOf(options, arg) === null) verbatim.push(arg);
    else own.push(arg, ...(takesValue(options, arg) ? args.slice(++at, at + 1) : []));
  }
  return { own, verbatim };
}

function takesValue(options: Options, arg: string): boolean {
  return !arg.includes("=") && optionOf(options, arg)?.type === "string" && !/^-[a-zA-Z]./.test(arg);
}

/** The option an argument names: `--output`, `--output=json`, `-o`, `-ojson`. */
function optionOf(options: Options, arg: string): Option | null {
  if (arg.startsWith("--")) return options[arg.slice(2).split("=", 1)[0] ?? ""] ?? null;
  const letter = arg.startsWith("-") ? arg[1] : undefined;
  return Object.values(options).find(({ alias }) => alias !== undefined && alias === letter) ?? null;
}

function checkWords(command: Command, words: readonly string[]): void {
  const least = command.args.filter((arg) => !arg.startsWith("[")).length;
  const most = command.args.some((arg) => arg.includes("...")) ? Number.POSITIVE_INFINITY : command.args.length;
  if (words.length >= least && words.length <= most) return;
  const problem =
    words.length < least ? `${command.args[words.length]} is missing` : `"${words[most]}" is one word too many`;
  throw new Failure(exit.usage, `${problem}\nusage: ${usageLine(command)}`);
}

function usageLine({ name, args }: Command): string {
  return ["kubectl steward", name, ...args, "[flags]"].join(" ");
}

function usageOf(command: Command): string {
  const { summary, about, examples } = command;
  const parts = [`${summary}.`, ...(about === undefined ? [] : [about]), `Usage:\n  ${usageLine(command)}`];
  if (examples !== undefined) parts.push(`Examples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  return parts.join("\n\n");
}

/** `kubectl steward --help`, and `kubectl steward users --help`. */
function overview(args: readonly string[]): string {
  const group = args.find((arg) => !arg.startsWith("-"));
  const shown = group === undefined ? commands : commands.filter(({ name }) => name.startsWith(`${group} `));
  const rows: [string, string][] = shown.map(({ name, args, summary }) => [[name, ...args].join(" "), summary]);
  if (group === undefined) rows.push(["version", "Print the version of the plugin"]);
  const width = Math.max(...rows.map(([usage]) => usage.length)) + 2;
  return [
    "Steward looks after one Kubernetes cluster from the ops chat; this is its terminal.",
    "",
    "Usage:",
    "  kubectl steward COMMAND [flags]",
    "",
    "Commands:",
    ...rows.map(([usage, summary]) => `  ${usage.padEnd(width)}${summary}`),
    "",
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not signed in, 4 not allowed, 5 not found, 6 bot unreachable.",
    "Use 'kubectl steward COMMAND --help' for the flags of a command.",
  ].join("\n");
}
