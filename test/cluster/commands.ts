import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { delimiter, join } from "node:path";
import { cacheFolder } from "../programs/cache.ts";

/** Where each command is built from: the folder of its go.mod, which says the version, and the package. */
const sources = {
  etcd: [".", "go.etcd.io/etcd/server/v3"],
  "kube-apiserver": [".", "k8s.io/kubernetes/cmd/kube-apiserver"],
  "kube-controller-manager": [".", "k8s.io/kubernetes/cmd/kube-controller-manager"],
  "kube-scheduler": [".", "k8s.io/kubernetes/cmd/kube-scheduler"],
  kubectl: [".", "k8s.io/kubernetes/cmd/kubectl"],
  kubelet: [".", "k8s.io/kubernetes/cmd/kubelet"],
  kwok: ["kwok", "sigs.k8s.io/kwok/cmd/kwok"],
} as const;

export type Command = keyof typeof sources;
export type Commands<Name extends Command> = Readonly<Record<Name, string>>;

/**
 * Paths of the commands: each from `KUBEBUILDER_ASSETS` if that folder has it, else from the cache, else built into
 * the cache with Go.
 *
 * The cache folder carries the Kubernetes version and the digest of the module files, so that any change of what is
 * built takes a new folder.
 * @throws when a command is missing and Go is too, saying what to set.
 */
export async function findCommands<Name extends Command>(
  names: readonly Name[],
  say: (line: string) => void,
): Promise<Commands<Name>> {
  const assets = process.env["KUBEBUILDER_ASSETS"];
  const cache = cacheFolder("cluster", buildKey());
  const find = async (name: Name): Promise<string> => {
    const given = assets === undefined ? undefined : join(assets, name);
    if (given !== undefined && existsSync(given)) return given;
    const path = join(cache, name);
    if (!existsSync(path)) await build(name, path, say);
    return path;
  };
  const found: [Name, string][] = [];
  for (const name of names) found.push([name, await find(name)]);
  return Object.fromEntries(found) as Record<Name, string>;
}

function buildKey(): string {
  const digest = createHash("sha256");
  for (const file of ["go.mod", "go.sum", "kwok/go.mod", "kwok/go.sum"]) {
    digest.update(readFileSync(join(import.meta.dirname, file)));
  }
  return `${kubernetesVersion()}-${digest.digest("hex").slice(0, 8)}`;
}

function kubernetesVersion(): string {
  const text = readFileSync(join(import.meta.dirname, "go.mod"), "utf8");
  const version = /^\s*k8s\.io\/kubernetes (v\S+)/m.exec(text)?.[1];
  if (version === undefined) throw new Error("go.mod requires no k8s.io/kubernetes");
  return version;
}

async function build(name: Command, path: string, say: (line: string) => void): Promise<void> {
  if (!onPath("go")) {
    throw new Error(
      [
        `no ${name} and no Go to build it with. Set one of`,
        "  STEWARD_TEST_KUBECONFIG  kubeconfig of a cluster that may be thrown away (cluster-admin)",
        "  KUBEBUILDER_ASSETS       folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, kubectl",
        "  STEWARD_TEST_CACHE       folder whose cluster/VERSION was filled by an earlier run on such a machine",
        "or install Go (https://go.dev/dl), which builds them once from the module proxy.",
      ].join("\n"),
    );
  }
  const version = kubernetesVersion();
  const start = performance.now();
  const [module, source] = sources[name];
  say(`building ${name} (${source}) …`);
  mkdirSync(join(path, ".."), { recursive: true });
  // Built beside and renamed: a build that was cut short, or two at once, leave no half program behind.
  const partial = `${path}.${process.pid}`;
  const [major, minor] = version.slice(1).split(".");
  const stamp = (variable: string, value: string | undefined) => `-X ${variable}=${value}`;
  try {
    await go(module, [
      "build",
      ...["-p", "2", "-mod=readonly", "-trimpath", "-buildvcs=false"],
      "-ldflags",
      [
        "-s -w",
        stamp("k8s.io/component-base/version.gitVersion", version),
        stamp("k8s.io/component-base/version.gitMajor", major),
        stamp("k8s.io/component-base/version.gitMinor", minor),
        stamp("k8s.io/client-go/pkg/version.gitVersion", version),
      ].join(" "),
      ...["-o", partial, source],
    ]);
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
  say(`built ${name} in ${Math.round((performance.now() - start) / 1000)} s`);
}

/** Runs Go at the lowest priority: it uses what the machine has left, and all of it when idle. */
function go(module: string, args: readonly string[]): Promise<void> {
  const child = spawn("go", args, {
    cwd: join(import.meta.dirname, module),
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`go build ended with ${code}`))));
  });
}

function onPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, command)));
}
