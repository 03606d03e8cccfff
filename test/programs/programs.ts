import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { hasDebian, unpackPackages } from "./debian.ts";
import { goBuild, hasGo, modulesDigest, requiredVersion } from "./go-build.ts";

export const programNames = ["prometheus", "promtool", "alertmanager", "amtool"] as const;

export type ProgramName = (typeof programNames)[number];

/**
 * Newest first. Where a package's programs do not run for want of a newer C library, the next suite is tried.
 */
const suites = ["sid", "trixie"] as const;

const debianPackages: Partial<Record<ProgramName, string>> = { prometheus: "prometheus", promtool: "promtool" };

const alertmanagerModule = join(import.meta.dirname, "alertmanager");

/**
 * Path of Prometheus, Alertmanager or one of their tools: from the folder `STEWARD_TEST_PROGRAMS` if it is set, else
 * from the cache, else put there: Prometheus from Debian's packages, Alertmanager built with Go.
 * @throws when it cannot be had, saying what to set.
 */
export async function findProgram(name: ProgramName, say: (line: string) => void = () => {}): Promise<string> {
  const given = process.env["STEWARD_TEST_PROGRAMS"];
  if (given !== undefined) {
    const path = join(given, name);
    if (!existsSync(path)) throw new Error(`STEWARD_TEST_PROGRAMS: no ${name} in ${given}`);
    return path;
  }
  return debianPackages[name] === undefined ? built(name, say) : unpacked(name, say);
}

/** The first line of what a program says of its version. */
export function programVersion(path: string): string {
  return execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
    .split("\n", 1)
    .join("");
}

async function built(name: ProgramName, say: (line: string) => void): Promise<string> {
  const module = "github.com/prometheus/alertmanager";
  const version = requiredVersion(alertmanagerModule, module);
  const path = cacheFolder("programs", `alertmanager-${version}-${modulesDigest(alertmanagerModule)}`, name);
  if (existsSync(path)) return path;
  if (!hasGo()) throw new Error(`no ${name}, and no Go to build it with. ${advice}`);
  const stamps = { "github.com/prometheus/common/version.Version": version.slice(1) };
  await goBuild({ module: alertmanagerModule, source: `${module}/cmd/${name}`, path, stamps, say });
  return path;
}

function unpacked(name: ProgramName, say: (line: string) => void): string {
  const folder = cacheFolder("programs", "debian");
  const path = join(folder, "usr/bin", name);
  if (existsSync(path)) return path;
  if (!hasDebian()) throw new Error(`no ${name}, and no Debian to take it from. ${advice}`);
  const failures: string[] = [];
  for (const suite of suites) {
    say(`unpacking ${name} of Debian ${suite} …`);
    try {
      unpackPackages(suite, Object.values(debianPackages), folder);
      programVersion(path);
      return path;
    } catch (error) {
      failures.push(`Debian ${suite}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error([`no ${name}. ${advice}`, ...failures].join("\n"));
}

const advice = `Set STEWARD_TEST_PROGRAMS to a folder with ${programNames.join(", ")}.`;
