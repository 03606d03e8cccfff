import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The sources by path from the project's root. */
export type Sources = ReadonlyMap<string, string>;

export function readSources(root: string): Sources {
  return new Map(
    ["bot", "cards", "kubectl-steward", "shared"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
        .map((name) => [join(folder, name), readFileSync(join(root, folder, name), "utf8")] as const),
    ),
  );
}

interface Import {
  from: string;
  /** A path from the root, or the name of a package. */
  to: string;
  typeOnly: boolean;
}

/** Packages that only compute: whoever may import packages at all may import these. */
const libraries = new Set(["zod", "canonicalize", "yaml"]);

/** Each SDK is known in one place on each side, so that one place changes when it does. */
const sdks: Readonly<Record<string, readonly string[]>> = {
  "@slack/bolt": ["bot/channels/slack"],
  "@kubernetes/client-node": ["bot/adapters/kubernetes", "kubectl-steward/"],
  "better-sqlite3": ["bot/adapters/sqlite"],
  bcrypt: ["bot/identity"],
  "cli-table3": ["kubectl-steward/"],
  jose: ["bot/identity"],
  pino: ["bot/adapters/log.ts"],
  polka: ["bot/http/"],
  "prom-client": ["bot/metrics.ts"],
  ws: ["bot/sandbox/", "kubectl-steward/"],
  yargs: ["kubectl-steward/"],
};

/** What computes or says nothing of the world outside. */
const pureModules = new Set(["node:crypto", "node:path", "node:util", "node:events", "node:stream"]);

/** The rim of the bot: what may touch files, sockets, timers and the environment. */
const isRim = (path: string) => /^bot\/(main\.ts|adapters\/|sandbox\/|demo\/)/.test(path);

/** Beside the rim, who may have which modules of Node's. */
const modules: Readonly<Record<string, readonly string[]>> = {
  "node:fs": ["bot/app.ts", "bot/backend.ts", "bot/backup.ts"],
  "node:diagnostics_channel": ["bot/channels/slack"],
  "node:http": ["bot/http/"],
  "node:https": ["bot/http/"],
  "node:os": ["bot/app.ts"],
};

/** Parts of the bot that stages share. Every other file directly in `bot/` is a stage, and its functions reach others only through `app.ts`. */
const parts = new Set([
  "bot/actions",
  "bot/background.ts",
  "bot/baseline.ts",
  "bot/checks.ts",
  "bot/config.ts",
  "bot/config",
  "bot/edges.ts",
  "bot/failed-run.ts",
  "bot/playbooks",
  "bot/store.ts",
  "bot/tools",
  "bot/trail.ts",
]);

/** Who puts the bot together; nobody imports these but each other. */
const isRoot = (path: string) => /^bot\/(main|app|backend)\.ts$/.test(path) || path.startsWith("bot/demo/");

/** `bot/http/route.ts` belongs to `bot/http`, `bot/audit/bundle.ts` to `bot/audit`, as `bot/audit.ts` does. */
function unitOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  return `${top}/${second.replace(/\.ts$/, "")}`;
}

function isPart(path: string): boolean {
  return parts.has(path) || parts.has(unitOf(path));
}

/** What in the sources goes against the plan of the house; each line says who and what. */
export function findFaults(sources: Sources): string[] {
  const imports = [...sources].flatMap(([path, source]) => importsOf(path, source));
  return [
    ...imports.flatMap(faultOfImport),
    ...[...sources].flatMap(([path, source]) => faultsOfText(path, source)),
    ...cyclesOf(imports),
  ];
}

function faultOfImport({ from, to, typeOnly }: Import): string[] {
  const fault = (why: string) => [`${from} imports ${to}: ${why}`];
  const [side = ""] = from.split("/");
  if (to.startsWith("node:")) {
    if (side === "shared" || side === "cards") return to === "node:crypto" ? [] : fault(`${side}/ is pure`);
    if (to === "node:child_process" && !from.startsWith("bot/demo/") && side === "bot")
      return fault("the bot starts no program");
    if (side !== "bot" || isRim(from) || typeOnly || pureModules.has(to)) return [];
    return modules[to]?.some((place) => from.startsWith(place)) ? [] : fault("only the rim touches the world outside");
  }
  if (to === "package.json") return [];
  if (!/^(bot|cards|shared|kubectl-steward)\//.test(to)) {
    if (libraries.has(packageOf(to)))
      return to === "yaml" && (side === "shared" || side === "cards") ? fault(`${side}/ is pure`) : [];
    const places = sdks[packageOf(to)];
    if (places === undefined) return fault("it has no place in the table of SDKs");
    return places.some((place) => from.startsWith(place)) ? [] : fault(`its place is ${places.join(" and ")}`);
  }
  const [toSide = ""] = to.split("/");
  if (side === "shared" && toSide !== "shared") return fault("shared/ knows nobody");
  if (side === "cards" && toSide !== "shared" && toSide !== "cards") return fault("cards/ knows only shared/");
  if (side === "kubectl-steward" && toSide !== "shared" && toSide !== side)
    return fault("the plugin knows only shared/");
  if (side !== "bot" || toSide !== "bot")
    return side === "bot" && toSide === "kubectl-steward" ? fault("the bot does not know the plugin") : [];
  return faultWithinBot(from, to, typeOnly).flatMap(fault);
}

function faultWithinBot(from: string, to: string, typeOnly: boolean): string[] {
  if (isRoot(from) || unitOf(from) === unitOf(to)) return [];
  if (isRoot(to)) return ["nobody knows who puts the bot together"];
  if (to.startsWith("bot/sandbox/")) return ["the product does not know its sandbox"];
  if (from.startsWith("bot/sandbox/")) return ["the sandbox knows only shared/"];
  if (to.startsWith("bot/adapters/")) return ["stages know edges.ts and store.ts, not what implements them"];
  if (from.startsWith("bot/adapters/")) {
    return /^bot\/(edges|store)\.ts$/.test(to) ? [] : ["adapters know edges.ts and store.ts, not the stages"];
  }
  return typeOnly || isPart(to) ? [] : ["a stage takes the functions of another from app.ts"];
}

const clockWords: readonly [RegExp, string][] = [
  [/\bprocess\.env\b/, "process.env"],
  [/\bDate\.now\(/, "Date.now()"],
  [/\bnew Date\(\)/, "new Date()"],
  [/\bset(?:Timeout|Interval|Immediate)\(/, "a timer"],
  [/\bAbortSignal\.timeout\(/, "a timer"],
];

/** Which file moves the states kept in which table. */
const statesOf: Readonly<Record<string, string>> = {
  executions: "bot/adapters/sqlite/proposals.ts",
  incidents: "bot/adapters/sqlite/incidents.ts",
  investigations: "bot/adapters/sqlite/evidence.ts",
  outbox: "bot/adapters/sqlite/outbox.ts",
  proposals: "bot/adapters/sqlite/proposals.ts",
  receipts: "bot/adapters/sqlite/receipts.ts",
};

function faultsOfText(path: string, source: string): string[] {
  const faults: string[] = [];
  const code = withoutComments(source);
  if (/^(bot|shared|cards)\//.test(path) && !isRim(path)) {
    for (const [pattern, what] of clockWords)
      if (pattern.test(code)) faults.push(`${path} uses ${what}: take the Clock, or the configuration`);
  }
  if (path.startsWith("bot/") && !path.startsWith("bot/adapters/sqlite")) {
    if (/\b(?:INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b/.test(code))
      faults.push(`${path} has SQL: only the store writes`);
  }
  for (const [, table = ""] of code.matchAll(/\bUPDATE (\w+)\s+SET\b[^`"]*?\bstate = /g)) {
    if (statesOf[table] !== path)
      faults.push(`${path} moves the state of ${table}: ${statesOf[table] ?? "nobody"} does`);
  }
  return faults;
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function importsOf(from: string, source: string): Import[] {
  const code = withoutComments(source);
  const named = [...code.matchAll(/^(?:import|export)\s+(type\s+)?([^"';]*?)\s*from\s+"([^"]+)"/gm)].map(
    ([, type, names = "", to = ""]) => ({
      from,
      to: resolve(from, to),
      typeOnly: type !== undefined || namesOnlyTypes(names),
    }),
  );
  const bare = [...code.matchAll(/\bimport\s*\(?\s*"([^"]+)"/g)].map(([, to = ""]) => ({
    from,
    to: resolve(from, to),
    typeOnly: false,
  }));
  return [...named, ...bare];
}

function namesOnlyTypes(names: string): boolean {
  const inner = /^\{([^}]*)\}$/.exec(names)?.[1];
  return inner?.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type ")) === true;
}

function resolve(from: string, to: string): string {
  return to.startsWith(".") ? join(dirname(from), to) : to;
}

/** `@scope/name/deep/file.js` is of `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Files that need each other to be there first. Types are no need. */
function cyclesOf(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const faults: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) faults.push(`a circle of imports: ${[...trail.slice(at), path].join(" -> ")}`);
    if (at >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return faults;
}
