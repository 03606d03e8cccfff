import type { Api } from "./api.ts";
import type { ExitCode } from "./exit.ts";
import type { Output } from "./output.ts";
import type { Terminal } from "./terminal.ts";

export interface Option {
  readonly type: "string" | "boolean";
  readonly describe: string;
  readonly alias?: string;
  readonly choices?: readonly string[];
  /** What the value is called in the help, as `TEXT`. */
  readonly value?: string;
}

export type Options = Readonly<Record<string, Option>>;

type Given<O extends Options> = {
  readonly [K in keyof O]: O[K]["type"] extends "boolean" ? boolean : string | undefined;
};

/** What every subcommand takes besides its own options. */
export const globalOptions = {
  namespace: { type: "string", alias: "n", value: "NS", describe: "Only this namespace" },
  "all-namespaces": { type: "boolean", alias: "A", describe: "All namespaces (the default for lists)" },
  output: {
    type: "string",
    alias: "o",
    choices: ["table", "wide", "json", "yaml", "csv", "name"],
    describe: "Output format",
  },
  context: { type: "string", value: "NAME", describe: "The kubeconfig context to use" },
  kubeconfig: { type: "string", value: "FILE", describe: "Path to the kubeconfig file" },
  server: {
    type: "string",
    value: "URL",
    describe: "Address of the bot, instead of a port-forward (also STEWARD_SERVER)",
  },
  insecure: { type: "boolean", describe: "Allow plain http to a server that is not this machine" },
} as const satisfies Options;

export type GlobalOptions = Given<typeof globalOptions>;

/** What a subcommand runs with. */
export interface Context {
  readonly global: GlobalOptions;
  readonly out: Output;
  readonly terminal: Terminal;
  /** Finds the bot, once. Throws Failure when it is not to be found. */
  api(): Promise<Api>;
  /** The one-time setup token, where the kubeconfig lets it be read. */
  setupToken(): Promise<string | null>;
  /** The namespace meant: `-n`, else the context's, else `default`. */
  namespace(): Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** One word, or two: `users add`. */
  readonly name: string;
  /** As they stand in the usage line: `CODE`, `[ID]`, `NAME...`. */
  readonly args: readonly string[];
  readonly summary: string;
  /** More for its own help, below the summary. */
  readonly about?: string;
  readonly examples?: readonly string[];
  readonly options: Options;
  /** Everything after its name that is no option of its own is words, flags too: it is a command of another program. */
  readonly verbatim?: true;
  readonly run: (
    words: readonly string[],
    options: Readonly<Record<string, unknown>>,
    context: Context,
  ) => Promise<ExitCode>;
}

/** Declares a subcommand; `run` sees its options under their own types. */
export function command<const O extends Options>(
  spec: Omit<Command, "options" | "run"> & {
    readonly options: O;
    readonly run: (words: readonly string[], options: Given<O>, context: Context) => Promise<ExitCode>;
  },
): Command {
  return { ...spec, run: (words, options, context) => spec.run(words, readOptions(spec.options, options), context) };
}

/** The options of a specification out of what the parser found. */
export function readOptions<O extends Options>(specs: O, found: Readonly<Record<string, unknown>>): Given<O> {
  const entries = Object.entries(specs).map(([name, { type }]): [string, boolean | string | undefined] => {
    const value = found[name];
    if (type === "boolean") return [name, value === true];
    return [name, typeof value === "string" ? value : undefined];
  });
  return Object.fromEntries(entries) as Given<O>;
}
