import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../programs/cache.ts";
import { goBuild, hasGo, modulesDigest, requiredVersion } from "../programs/go-build.ts";

const here = import.meta.dirname;
const kwokModule = join(here, "kwok");

/** Where each command is built from: the folder of its go.mod, which says the version, and the package. */
const sources = {
  etcd: [here, "go.etcd.io/etcd/server/v3"],
  "kube-apiserver": [here, "k8s.io/kubernetes/cmd/kube-apiserver"],
  "kube-controller-manager": [here, "k8s.io/kubernetes/cmd/kube-controller-manager"],
  "kube-scheduler": [here, "k8s.io/kubernetes/cmd/kube-scheduler"],
  kubectl: [here, "k8s.io/kubernetes/cmd/kubectl"],
  kubelet: [here, "k8s.io/kubernetes/cmd/kubelet"],
  kwok: [kwokModule, "sigs.k8s.io/kwok/cmd/kwok"],
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
  const version = requiredVersion(here, "k8s.io/kubernetes");
  const cache = cacheFolder("cluster", `${version}-${modulesDigest(here, kwokModule)}`);
  const find = async (name: Name): Promise<string> => {
    const given = assets === undefined ? undefined : join(assets, name);
    if (given !== undefined && existsSync(given)) return given;
    const path = join(cache, name);
    if (existsSync(path)) return path;
    if (!hasGo()) throw new Error(`no ${name}, and no Go to build it with. ${advice}`);
    const [module, source] = sources[name];
    await goBuild({ module, source, path, stamps: kubernetesStamps(version), say });
    return path;
  };
  const found: [Name, string][] = [];
  for (const name of names) found.push([name, await find(name)]);
  return Object.fromEntries(found) as Record<Name, string>;
}

/** What `/version` and `--version` answer. */
function kubernetesStamps(version: string): Record<string, string> {
  const [major = "", minor = ""] = version.slice(1).split(".");
  return {
    "k8s.io/component-base/version.gitVersion": version,
    "k8s.io/component-base/version.gitMajor": major,
    "k8s.io/component-base/version.gitMinor": minor,
    "k8s.io/client-go/pkg/version.gitVersion": version,
  };
}

const advice = `Set one of
  STEWARD_TEST_KUBECONFIG  kubeconfig of a cluster that may be thrown away, as its administrator
  KUBEBUILDER_ASSETS       folder with ${Object.keys(sources).join(", ")}
  STEWARD_TEST_CACHE       cache folder that an earlier run filled
or install Go, which builds them once.`;
