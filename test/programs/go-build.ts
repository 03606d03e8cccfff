import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";

/** Whether Go can be called. */
export function hasGo(): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, "go")));
}

/** The version of `path` that the go.mod in `module` requires, with its `v`. */
export function requiredVersion(module: string, path: string): string {
  const line = readFileSync(join(module, "go.mod"), "utf8")
    .split("\n")
    .map((text) =>
      text
        .trim()
        .replace(/^require /, "")
        .split(" "),
    )
    .find(([name]) => name === path);
  if (line?.[1] === undefined) throw new Error(`${module}/go.mod requires no ${path}`);
  return line[1];
}

/** Changes with every version of anything that modules are built from: part of a cache folder's name. */
export function modulesDigest(...modules: readonly string[]): string {
  const digest = createHash("sha256");
  for (const module of modules) {
    for (const file of ["go.mod", "go.sum"]) digest.update(readFileSync(join(module, file)));
  }
  return digest.digest("hex").slice(0, 8);
}

export interface GoBuild {
  /** Folder of the go.mod that pins what is built. */
  module: string;
  /** The main package. */
  source: string;
  /** The program. */
  path: string;
  /** Variables to set while linking, as versions are; by full name. */
  stamps: Readonly<Record<string, string>>;
  say: (line: string) => void;
}

/**
 * Builds one program from the Go module proxy.
 *
 * It is built beside its place and renamed: a build that was cut short, or two at once, leave no half program behind.
 * Go runs at the lowest priority, on two cores: it may take long and must not disturb what else the machine does.
 */
export async function goBuild({ module, source, path, stamps, say }: GoBuild): Promise<void> {
  const start = performance.now();
  say(`building ${basename(path)} (${source}) …`);
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}`;
  const linked = Object.entries(stamps).map(([variable, value]) => `-X ${variable}=${value}`);
  try {
    await go(module, [
      "build",
      ...["-p", "2", "-mod=readonly", "-trimpath", "-buildvcs=false"],
      ...["-ldflags", ["-s -w", ...linked].join(" ")],
      ...["-o", partial, source],
    ]);
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
  say(`built ${basename(path)} in ${Math.round((performance.now() - start) / 1000)} s`);
}

function go(module: string, args: readonly string[]): Promise<void> {
  const child = spawn("go", args, {
    cwd: module,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`go build in ${module} ended with ${code}`)),
    );
  });
}
