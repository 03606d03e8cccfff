/**
 * Bundles what ships into `dist/` (SPEC 15): the bot, its demo and sandbox, and the plugin, which needs no native module and runs on
 * Node 20. Run by `npm ci`. A program whose source is not there is left out.
 */
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
/** Built aside and put in place whole: a build that fails leaves the last one, and who runs a bundle now finds all of it. */
const part = join(root, ".cache", `build-${process.pid}`);

interface Program {
  /** Name of the bundle in `dist/`. */
  name: string;
  source: string;
  target: "node20" | "node22";
  /** Whether the shell starts it by its name. */
  command?: boolean;
}

const programs: readonly Program[] = [
  { name: "steward", source: "bot/main.ts", target: "node22" },
  { name: "demo", source: "bot/demo/main.ts", target: "node22" },
  { name: "sandbox", source: "bot/sandbox/main.ts", target: "node22" },
  { name: "kubectl-steward", source: "kubectl-steward/bin.ts", target: "node20", command: true },
];

/** Carry binaries of their own, so they stay in `node_modules`. The plugin must not need them. */
const native = ["better-sqlite3", "bcrypt"];

/**
 * Parts of SDKs that this program never runs: Slack's SDK brings a web server and its own sign-in for the way of working that needs an address
 * reachable from outside. Left out, the bot takes 16 MB less memory with Slack than with them.
 */
const unused = /^(express|raw-body|@slack\/oauth)$/;
const withoutUnused: Plugin = {
  name: "without-unused",
  setup(bundler) {
    bundler.onResolve({ filter: unused }, ({ path }) => ({ path, namespace: "unused" }));
    bundler.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {};", loader: "js" }));
  },
};

/** What CommonJS packages expect to find when they are part of an ES module. */
const requireForBundled =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  legalComments: "none",
  logLevel: "warning",
  banner: { js: requireForBundled },
  plugins: [withoutUnused],
};

const present = programs.filter(({ source }) => existsSync(join(root, source)));

mkdirSync(part, { recursive: true });
process.on("exit", () => rmSync(part, { recursive: true, force: true }));
for (const target of ["node20", "node22"] as const) {
  const chosen = present.filter((program) => program.target === target);
  if (chosen.length === 0) continue;
  await build({
    ...common,
    entryPoints: Object.fromEntries(chosen.map(({ name, source }) => [name, source])),
    outdir: part,
    // What only some subcommands load is a file of its own, so `version` and completion read next to nothing.
    splitting: true,
    // Beside the programs: what they find by their own folder is beside them too.
    chunkNames: "[name]-[hash]",
    target,
    ...(target === "node22" ? { external: native } : {}),
  });
}
for (const { name } of present.filter(({ command }) => command)) chmodSync(join(part, `${name}.mjs`), 0o755);

mkdirSync(join(part, "sqlite"));
for (const migration of globSync(join(root, "bot/adapters/sqlite/*.sql"))) {
  cpSync(migration, join(part, "sqlite", basename(migration)));
}

rmSync(dist, { recursive: true, force: true });
renameSync(part, dist);
