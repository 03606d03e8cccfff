import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";

export interface BotProcess {
  readonly url: string;
  readonly pid: number;
  /** Every JSON log line so far. */
  readonly lines: readonly Record<string, unknown>[];
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<number | string>;
}

/**
 * The command that `npm start` runs: the bundle. In a storm V8 would let its young generation grow to 128 MB, which no heap limit counts; held
 * small, the same storm is taken in with 60 MB less.
 */
export const botCommand = [
  process.execPath,
  "--max-semi-space-size=8",
  join(import.meta.dirname, "../dist/steward.mjs"),
] as const;

/**
 * Starts the real bot as a process of its own, with `config` as its file in `folder`, and waits for its "listening" line.
 * Rejects with its output when it ends before that.
 */
export async function startBotProcess(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<BotProcess> {
  const file = join(folder, "steward.yaml");
  writeFileSync(file, stringify(config));
  const [command, ...args] = botCommand;
  const child: ChildProcess = spawn(command, [...args, "--config", file], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  const lines: Record<string, unknown>[] = [];
  const raw: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        raw.push(line);
        if (!line.startsWith("{")) return;
        const entry = JSON.parse(line) as Record<string, unknown>;
        lines.push(entry);
        if (entry["msg"] === "listening") resolve(entry["port"] as number);
      });
    }
    exited.then((code) => reject(new Error(`the bot ended with ${code} before it listened:\n${raw.join("\n")}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? -1,
    lines,
    exited,
    async kill(signal) {
      child.kill(signal);
      return exited;
    },
  };
}
