import { choose } from "./arguments.ts";
import { type Connection, connect, contextNamespace } from "./client.ts";
import type { Context, GlobalOptions } from "./command.ts";
import { type ExitCode, exit, Failure } from "./exit.ts";
import { createOutput, type Format, type Output } from "./output.ts";
import { createTerminal } from "./terminal.ts";

/** Runs one subcommand in this process: its streams, signals and exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? exit.done : exit.failed),
  );
  process.exitCode = await run(args, interrupt.signal);
}

async function run(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
  let out = outputFor("table");
  try {
    const chosen = await choose(args, process.stdout.columns || 100);
    if ("help" in chosen) {
      out.line(chosen.help);
      return exit.done;
    }
    const { command, words, options, global } = chosen;
    out = outputFor(formatOf(global));
    return await command.run(words, options, createContext(global, out, signal));
  } catch (error) {
    if (signal.aborted) return exit.failed;
    if (!(error instanceof Failure)) throw error;
    out.say(`error: ${error.message}`);
    return error.code;
  }
}

function createContext(global: GlobalOptions, out: Output, signal: AbortSignal): Context {
  const now = () => new Date();
  let connection: Promise<Connection> | null = null;
  const connected = () => {
    connection ??= connect({ global, env: process.env, now, signal });
    return connection;
  };
  return {
    global,
    out,
    terminal: createTerminal(process.stdin, process.stdout, process.stderr),
    api: async () => (await connected()).api,
    setupToken: async () => (await connected()).setupToken(),
    namespace: async () => global.namespace ?? contextNamespace(global),
    env: process.env,
    now,
    signal,
  };
}

function formatOf({ output }: GlobalOptions): Format {
  return (output ?? "table") as Format;
}

function outputFor(format: Format): Output {
  const colour = process.stdout.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  return createOutput(process.stdout, process.stderr, format, colour);
}
