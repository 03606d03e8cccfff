import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGround, type Ground } from "../contracts/ground.ts";

/** kubectl of the cluster's own version, and what the tests that hold Steward against it stand on. */
export interface Oracle extends Ground {
  /** Runs kubectl; never throws for its exit code. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<Output>;
  /** Runs a whole command line, as a person copies it from a card. */
  shell(line: string, options?: KubectlOptions): Promise<Output>;
  /** As `kubectl`, for a command that must succeed; its output. */
  ok(...args: string[]): Promise<string>;
  /** Writes a file that goes with `close`. */
  file(name: string, content: unknown): string;
  close(): Promise<void>;
}

interface KubectlOptions {
  kubeconfig?: string;
  env?: Readonly<Record<string, string>>;
}

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export function createOracle(label: string): Oracle {
  const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
  assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
  const ground = createGround(kubeconfig, `oracle-${label}-${process.pid}`);
  const dir = mkdtempSync(join(tmpdir(), "steward-oracle-"));

  const run = (file: string, args: readonly string[], options: KubectlOptions = {}): Promise<Output> => {
    const env = { ...process.env, HOME: dir, KUBECONFIG: options.kubeconfig ?? kubeconfig, ...options.env };
    return new Promise((resolve, reject) => {
      execFile(file, args, { env, timeout: 60_000, maxBuffer: 32 << 20 }, (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== "number") reject(error);
        else resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      });
    });
  };

  const oracle: Oracle = {
    ...ground,
    kubectl: (args, options) => run("kubectl", args, options),
    shell: (line, options) => run("/bin/sh", ["-c", line], options),
    async ok(...args) {
      const { code, stdout, stderr } = await oracle.kubectl(args);
      assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
      return stdout;
    },
    file(name, content) {
      const path = join(dir, name);
      writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
      return path;
    },
    async close() {
      await ground.clear();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return oracle;
}
