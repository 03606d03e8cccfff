import type { PolicyAnswer, PolicyTestRow } from "../../shared/api/policy.ts";
import { type Context, command } from "../command.ts";
import { type ExitCode, exit, Failure } from "../exit.ts";
import type { View } from "../output.ts";

const rulesOption = {
  type: "string",
  value: "FILE",
  describe: "Rules to try instead of those in force: a policy file or a configuration",
} as const;

export const policyTest = command({
  name: "policy test",
  args: [],
  summary: "Say which rule an alert would take, and why not the ones before",
  examples: [
    "kubectl steward policy test -f payload.json",
    "kubectl steward policy test --since 7d --rules new-policy.yaml",
  ],
  options: {
    file: { type: "string", alias: "f", value: "FILE", describe: "A webhook body of Alertmanager" },
    since: {
      type: "string",
      value: "TIME",
      describe: "Replay the alerts since then against --rules, and show what would change",
    },
    rules: rulesOption,
  },
  async run(_words, { file, since, rules: path }, context) {
    const rules = path === undefined ? undefined : await readRules(path);
    const api = await context.api();
    if (since !== undefined) {
      if (file !== undefined) throw new Failure(exit.usage, "--since and -f are two ways: give one");
      if (rules === undefined) throw new Failure(exit.usage, "--since needs --rules: which rules are to be tried?");
      return show(await api.policyTest({ since, rules }), context);
    }
    if (file === undefined)
      throw new Failure(exit.usage, "-f FILE is missing: the alerts to try (or --since TIME --rules FILE)");
    const payload = await readFileOf(file);
    if (!isObject(payload)) throw new Failure(exit.usage, `${file} is not a webhook body`);
    return show(await api.policyTest({ payload, ...(rules === undefined ? {} : { rules }) }), context);
  },
});

const rowView: View<PolicyTestRow> = {
  kind: "PolicyTest",
  name: ({ labels }) => `alert/${labels["alertname"] ?? ""}`,
  columns: [
    { header: "ALERT", value: ({ labels }) => labels["alertname"] ?? "" },
    { header: "NAMESPACE", value: ({ labels }) => labels["namespace"] ?? "" },
    { header: "RULE", value: ({ rule }) => rule ?? "(none)" },
    { header: "ROUTE", value: ({ route }) => route },
    {
      header: "NOW",
      value: ({ now, route }) => (now === undefined ? "" : now.route === route ? "same" : now.route),
      tone: ({ now, route }) => (now !== undefined && now.route !== route ? "warning" : null),
    },
    {
      header: "LABELS",
      wide: true,
      value: ({ labels }) =>
        Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(","),
    },
  ],
};

function show(rows: readonly PolicyTestRow[], { out }: Context): ExitCode {
  if (out.format !== "table") {
    out.list(rowView, rows);
    return exit.done;
  }
  out.answer("PolicyTestList", { items: rows }, ({ items }, paint) =>
    items.flatMap(({ labels, rule, route, because, now }) => [
      `${paint("strong", labels["alertname"] ?? "alert")} ${Object.entries(labels)
        .filter(([name]) => name !== "alertname")
        .map(([name, value]) => `${name}=${value}`)
        .join(" ")}`,
      `  → ${route} by ${rule ?? "no rule"}${now === undefined || (now.route === route && now.rule === rule) ? "" : paint("warning", `  (now: ${now.route} by ${now.rule ?? "no rule"})`)}`,
      ...because.map((line) => paint("quiet", `    ${line}`)),
    ]),
  );
  if (rows.length === 0) out.say("No alerts.");
  return exit.done;
}

export const policyLint = command({
  name: "policy lint",
  args: [],
  summary: "Find rules that do not parse or can never match",
  about: "Looks at the rules in force, or at those of -f. Exits 1 when it finds something.",
  options: { file: { ...rulesOption, alias: "f" } },
  async run(_words, { file }, { api: connect, out }) {
    const api = await connect();
    const warnings = file === undefined ? (await api.policy()).warnings : await api.policyLint(await readRules(file));
    out.list(warningView, warnings);
    if (warnings.length === 0) out.say("Nothing to find fault with.");
    return warnings.length === 0 ? exit.done : exit.failed;
  },
});

const warningView: View<PolicyAnswer["warnings"][number]> = {
  kind: "PolicyWarning",
  name: ({ rule }) => `rule/${rule}`,
  columns: [
    { header: "RULE", value: ({ rule }) => rule },
    { header: "WARNING", value: ({ text }) => text },
  ],
};

export const policyShow = command({
  name: "policy show",
  args: [],
  summary: "Print the rules in force, in the order they are tried",
  options: {},
  async run(_words, _options, { api, out }) {
    const policy = await (await api()).policy();
    const { toYaml } = await import("../yaml.ts");
    out.answer("Policy", policy, ({ rules }) => [toYaml({ rules })]);
    if (policy.builtIn) out.say("No rules are configured: these are the built-in ones.");
    return exit.done;
  },
});

/** Rules out of a policy file (`rules:`), a configuration (`policy.rules`), or a bare list. */
async function readRules(path: string): Promise<unknown[]> {
  const found = await readFileOf(path);
  const section = isObject(found) && isObject(found["policy"]) ? found["policy"] : found;
  const rules = isObject(section) ? section["rules"] : section;
  if (!Array.isArray(rules)) throw new Failure(exit.usage, `${path} has no list of rules`);
  return rules;
}

async function readFileOf(path: string): Promise<unknown> {
  const { readYaml } = await import("../yaml.ts");
  return readYaml(path);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
