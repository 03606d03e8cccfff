import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { until } from "../until.ts";

/** One program under test: its own process group, its output in a file, ended by its pid. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Standard output and error, in the order they came. */
  readonly log: string;
  /** Whether the process still runs. */
  running(): boolean;
  /** Sends SIGTERM, after `grace` ms SIGKILL, and resolves when the process is gone. A second call does nothing. */
  stop(grace?: number): Promise<void>;
}

export interface ProgramStart {
  name: string;
  file: string;
  args: readonly string[];
  /** Folder of `NAME.log`. */
  dir: string;
  env?: NodeJS.ProcessEnv;
}

/**
 * Starts a program in the background.
 *
 * It gets a process group of its own so that Ctrl-C on the terminal reaches only the harness, which then stops its
 * programs in order. Should the harness die of an exception instead, the exit hook takes the program with it.
 */
export async function startProgram({ name, file, args, dir, env = process.env }: ProgramStart): Promise<Program> {
  const log = join(dir, `${name}.log`);
  const output = openSync(log, "a");
  const child: ChildProcess = spawn(file, args, { cwd: dir, env, detached: true, stdio: ["ignore", output, output] });
  closeSync(output);
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`${name}: cannot start ${file}`, { cause })));
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name}: started without a pid`);

  let gone = false;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      gone = true;
      process.off("exit", kill);
      resolve();
    });
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);

  return {
    name,
    pid,
    log,
    running: () => !gone,
    async stop(grace = 10_000) {
      if (gone) return;
      child.kill("SIGTERM");
      const timer = setTimeout(kill, grace);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Waits until `probe` holds while the program runs. @throws at the deadline or when it ended, with the end of its log. */
export async function ready(program: Program, probe: () => Promise<boolean>, deadline = 60_000): Promise<void> {
  const outcome = await until(
    `${program.name} ready`,
    async () => (program.running() ? (await probe()) && "ready" : "ended"),
    deadline,
  ).catch((error: unknown) => {
    throw new Error(`${program.name} did not become ready\n${lastLines(program.log)}`, { cause: error });
  });
  if (outcome === "ended") throw new Error(`${program.name} ended at once\n${lastLines(program.log)}`);
}

function lastLines(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}

/**
 * Free TCP ports on 127.0.0.1, one for each name, for programs that cannot be asked which port they took.
 *
 * From below the range that systems hand out for port 0, so that nothing but another call of this can take one
 * between here and the program's own bind; all are held until all are found.
 */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const held = new Map<number, () => Promise<void>>();
  while (held.size < names.length) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const release = await hold(port);
    if (release !== undefined) held.set(port, release);
  }
  await Promise.all([...held.values()].map((release) => release()));
  const ports = [...held.keys()];
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<Name, number>;
}

function hold(port: number): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(() => new Promise((released) => server.close(() => released()))));
  });
}
