import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether this machine has apt and a Debian archive to take packages from. */
export function hasDebian(): boolean {
  return existsSync("/usr/bin/apt-get") && existsSync(keyring);
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Unpacks packages of a Debian suite into `folder`, beside the system: apt runs on a state and a cache of its own, so
 * nothing is installed, no list of the system changes, and no root is needed. Dependencies are not followed.
 * @throws when apt cannot reach the archive or has no such package.
 */
export function unpackPackages(suite: string, packages: readonly string[], folder: string): void {
  const work = mkdtempSync(join(tmpdir(), "steward-apt-"));
  const unpacked = `${folder}.${process.pid}`;
  try {
    const own = aptOptions(work, suite);
    execFileSync("apt-get", [...own, "update"], { stdio: ["ignore", "ignore", "pipe"] });
    execFileSync("apt-get", [...own, "download", ...packages], { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
    mkdirSync(unpacked, { recursive: true });
    for (const file of globSync(join(work, "*.deb"))) execFileSync("dpkg-deb", ["-x", file, unpacked]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(unpacked, { recursive: true, force: true });
  }
}

function aptOptions(work: string, suite: string): string[] {
  mkdirSync(join(work, "state/lists/partial"), { recursive: true });
  mkdirSync(join(work, "cache/archives/partial"), { recursive: true });
  const sources = join(work, "sources.list");
  writeFileSync(sources, `deb [signed-by=${keyring}] ${archive()} ${suite} main\n`);
  const settings = {
    "Dir::State": join(work, "state"),
    "Dir::Cache": join(work, "cache"),
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    // Run as root, apt fetches as the user _apt, who cannot write here.
    "APT::Sandbox::User": "root",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The archive that this machine already uses. */
function archive(): string {
  const repositories = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], { encoding: "utf8" });
  const uri = repositories.split("\n").find((line) => /\/debian\/?$/.test(line));
  if (uri === undefined) throw new Error("the sources of apt name no Debian archive");
  return uri;
}
