import { execFileSync, spawn } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { findProgram, programNames, programVersion } from "../programs/programs.ts";
import { findCommands } from "./commands.ts";
import { type ControlPlane, controlPlaneCommands, startControlPlane } from "./control-plane.ts";

/**
 * `npm run test:cluster -- [--record] [--keep] [FILE…]`: runs the suites here and in test/programs (or the given files)
 * against a real control plane, or against the cluster of `STEWARD_TEST_KUBECONFIG`.
 *
 * The suites find it by `STEWARD_CONTRACT_KUBECONFIG`, the administrator's kubeconfig, with the matching kubectl first
 * on PATH. `--record` writes golden/answers.json afresh from what the API server answers. `--keep` leaves the control plane up
 * after the suites, for kubectl, until Ctrl-C. Logs are kept when a suite fails.
 */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { keep: { type: "boolean" }, record: { type: "boolean" } },
    allowPositionals: true,
  });
  const record: NodeJS.ProcessEnv = values.record ? { STEWARD_RECORD_ANSWERS: "1" } : {};
  const files = positionals.length > 0 ? positionals : suites();

  const given = process.env["STEWARD_TEST_KUBECONFIG"];
  if (given !== undefined) {
    say(`cluster of STEWARD_TEST_KUBECONFIG: ${given}`);
    say(`kubectl: ${firstLine("kubectl", ["version", "--client"])}`);
    await sayPrograms();
    return runSuites(files, { ...record, STEWARD_CONTRACT_KUBECONFIG: given });
  }

  const commands = await findCommands([...controlPlaneCommands, "kubectl"], say);
  for (const name of controlPlaneCommands) say(`${name}: ${firstLine(commands[name], ["--version"])}`);
  say(`kubectl: ${firstLine(commands.kubectl, ["version", "--client"])}`);
  await sayPrograms();

  const dir = mkdtempSync(join(tmpdir(), "steward-cluster-"));
  let plane: ControlPlane | undefined;
  let outcome = 1;
  try {
    const start = performance.now();
    plane = await startControlPlane({ dir, commands });
    say(`control plane up in ${((performance.now() - start) / 1000).toFixed(1)} s: ${plane.url}`);
    outcome = await runSuites(files, {
      ...record,
      STEWARD_CONTRACT_KUBECONFIG: plane.kubeconfig(),
      PATH: [dirname(commands.kubectl), process.env["PATH"]].join(delimiter),
    });
    if (values.keep) {
      say(`kept until Ctrl-C: KUBECONFIG=${plane.kubeconfig()} ${commands.kubectl} get nodes`);
      await interrupted;
    }
  } finally {
    await plane?.stop();
    if (outcome === 0 || outcome === interruptedCode) rmSync(dir, { recursive: true, force: true });
    else say(`logs of the control plane are in ${dir}`);
  }
  return outcome;
}

/** Looks for them now, so that what a machine lacks is said before anything is started. */
async function sayPrograms(): Promise<void> {
  for (const name of programNames) say(`${name}: ${programVersion(await findProgram(name, say))}`);
}

function suites(): string[] {
  return ["*.test.ts", "../programs/*.test.ts"].flatMap((pattern) =>
    globSync(join(import.meta.dirname, pattern)).sort(),
  );
}

/** As shells count: 128 + SIGINT. */
const interruptedCode = 130;

const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve());
});

/** Runs the test files in processes of their own. Ends with their exit code, or `interruptedCode`. */
async function runSuites(files: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, ["--import", "tsx", "--test", ...files], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
  const first = await Promise.race([ended, interrupted]);
  if (first !== undefined) return first;
  child.kill("SIGINT");
  await ended;
  return interruptedCode;
}

function firstLine(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: "utf8" }).split("\n", 1).join("");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
