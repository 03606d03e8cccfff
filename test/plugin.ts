import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** The bundle that ships. `npm test` builds it first. */
export const pluginBundle = join(import.meta.dirname, "../dist/kubectl-steward.mjs");

export interface PluginAnswer {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One user's terminal: a home folder of its own, and the plugin as a process. */
export interface Plugin {
  readonly home: string;
  run(
    args: readonly string[],
    options?: { input?: string; env?: Readonly<Record<string, string>> },
  ): Promise<PluginAnswer>;
  /** Starts it and leaves it running. */
  start(args: readonly string[]): ChildProcessWithoutNullStreams;
  remove(): Promise<void>;
}

export function createPlugin(
  env: Readonly<Record<string, string>>,
  command: readonly string[] = [process.execPath, pluginBundle],
): Plugin {
  const home = mkdtempSync(join(tmpdir(), "steward-home-"));
  const [program = "", ...before] = command;

  const start = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    spawn(program, [...before, ...args], {
      cwd: home,
      env: { PATH: process.env["PATH"] ?? "", HOME: home, ...env, ...more },
      stdio: "pipe",
    });

  return {
    home,
    start,
    async run(args, { input = "", env: more = {} } = {}) {
      const child = start(args, more);
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      child.stdin.on("error", () => {});
      child.stdin.end(input);
      const [code] = (await once(child, "close")) as [number | null];
      return { code, stdout, stderr };
    },
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

/** Every program of this name on the PATH, but for those that npm puts there. */
export function onPath(name: string): string[] {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path));
}

/** A Node of that major version on this machine; null when there is none. */
export function nodeOfMajor(major: number): string | null {
  return (
    onPath("node").find((path) => execFileSync(path, ["--version"], { encoding: "utf8" }).startsWith(`v${major}.`)) ??
    null
  );
}
