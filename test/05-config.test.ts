import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigSchema } from "../bot/config/schema.ts";
import { type Config, ConfigError, loadConfig, ownSecrets, parsePolicy } from "../bot/config.ts";
import { matches } from "../shared/matcher.ts";

type Files = Readonly<Record<string, string>>;

function surroundings(files: Files, env: Readonly<Record<string, string>>) {
  return {
    env,
    cwd: "/srv",
    readFile(path: string) {
      const content = files[path];
      if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return content;
    },
  };
}

function load(yaml: string, more: { files?: Files; env?: Readonly<Record<string, string>> } = {}): Config {
  const files = { "/etc/steward/steward.yaml": yaml, ...more.files };
  return loadConfig({ argvPath: null, ...surroundings(files, more.env ?? {}) });
}

/** The faults, as an operator reads them. */
function faultsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split("\n").map((line) => line.replace("/etc/steward/steward.yaml", "steward.yaml"));
  }
  return [];
}

const open = "webhook: { insecure: true }\n";

test("the defaults are those of the documentation", () => {
  const { source: _, ...config } = load(open);
  assert.deepEqual(config, {
    cluster: { name: "kubernetes", kubeconfig: null, context: null, identities: { read: null, act: null } },
    locale: "zh-CN",
    timezone: "Asia/Shanghai",
    data: "/srv/data",
    http: { host: "0.0.0.0", port: 8080, publicUrl: null, tls: null },
    webhook: { bearerToken: [], basic: null, hmacSecret: null, insecure: true },
    queue: { capacity: 10_000, workers: 4 },
    model: null,
    sources: { prometheus: null, loki: null, alertmanager: null, k8sgpt: { command: null, resultResources: "auto" } },
    channels: { dingtalk: null, feishu: null, slack: null, routes: [] },
    cards: { linkHosts: ["runbooks.prometheus-operator.dev"] },
    policy: { file: null, rules: [], places: [] },
    safety: {
      maxAutoFixesPerHour: 3,
      protectedNamespaces: ["kube-public", "kube-node-lease"],
      protectionKey: "protection",
      autofixNamespaces: [],
      maxAffectedPods: 50,
      gitops: "refuse",
    },
    approval: { roles: ["admin"], approvals: 1, selfApproval: true, ttl: 900_000, incidentTtl: 7_200_000 },
    verify: { timeout: 600_000, settle: 60_000 },
    auth: { sessionTtl: 43_200_000, unlinked: "viewer", oidc: null },
    audit: { signingKey: null, checkpoints: { stdout: true, configMap: null } },
    backup: { every: 86_400_000, keep: 7, dir: null },
    retention: { incidents: 90 * 86_400_000, audit: 365 * 86_400_000 },
  });
});

/** The example of SPEC 5 with its placeholders filled in. */
const whole = `
cluster:
  name: prod-hz
  kubeconfig: null
  context: null
  identities: { read: null, act: null }
locale: zh-CN
timezone: Asia/Shanghai
data: ./data
http: { host: 0.0.0.0, port: 8080, publicUrl: null, tls: null }
webhook: { bearerToken: "\${WEBHOOK_TOKEN}", basic: null, hmacSecret: null, insecure: false }
queue: { capacity: 10000, workers: 4 }
model:
  { baseUrl: "https://models.example/v1", apiKey: "\${MODEL_KEY}", name: "m", maxSteps: 16, maxTokens: 60000, contextTokens: 32000, timeout: 120s, dailyTokens: null }
sources:
  prometheus: { url: "http://prometheus:9090", bearerToken: null }
  loki: { url: "http://loki:3100", tenant: null, bearerToken: null }
  alertmanager: { url: "http://alertmanager:9093" }
  k8sgpt: { command: null, resultResources: auto }
channels:
  dingtalk: { clientId: "c", clientSecret: "s", robotCode: "r", openConversationId: "o", cardTemplateId: null, apiUrl: null, monthlyCalls: 5000 }
  feishu: { appId: "a", appSecret: "s", chatId: "oc_x", domain: feishu }
  slack: { appToken: "xapp", botToken: "xoxb", channel: "C1", apiUrl: null }
  routes: []
cards: { linkHosts: [runbooks.prometheus-operator.dev] }
policy: { file: null, rules: [] }
safety: { maxAutoFixesPerHour: 3, protectedNamespaces: [kube-public, kube-node-lease], protectionKey: protection, autofixNamespaces: [], maxAffectedPods: 50, gitops: refuse }
approval: { roles: [admin], approvals: 1, selfApproval: true, ttl: 15m, incidentTtl: 2h }
verify: { timeout: 10m, settle: 60s }
auth: { sessionTtl: 12h, unlinked: viewer, oidc: null }
audit: { signingKey: null, checkpoints: { stdout: true, configMap: null } }
backup: { every: 24h, keep: 7, dir: null }
retention: { incidents: 90d, audit: 365d }
`;
const env = { WEBHOOK_TOKEN: "the-token", MODEL_KEY: "the-key" };

test("the documented example is taken as it stands, and names every key there is", () => {
  const config = load(whole, { env });
  assert.deepEqual(config.webhook.bearerToken, ["the-token"]);
  assert.equal(config.model?.apiKey, "the-key");
  assert.equal(config.model?.timeout, 120_000);
  const sections = Object.keys(ConfigSchema.shape).sort();
  assert.deepEqual(
    Object.keys(config)
      .filter((key) => key !== "source")
      .sort(),
    sections,
  );
});

test("the configuration is found by flag, variable, working directory and /etc, in this order", () => {
  const named = (name: string) => `${open}cluster: { name: ${name} }\n`;
  const files: Record<string, string> = {
    "/srv/flag.yaml": named("flag"),
    "/srv/variable.yaml": named("variable"),
    "/srv/steward.yaml": named("here"),
    "/etc/steward/steward.yaml": named("etc"),
  };
  const nameOf = (argvPath: string | null, given: Readonly<Record<string, string>> = {}) =>
    loadConfig({ argvPath, ...surroundings(files, given) }).cluster.name;
  assert.equal(nameOf("flag.yaml", { STEWARD_CONFIG: "variable.yaml" }), "flag");
  assert.equal(nameOf(null, { STEWARD_CONFIG: "variable.yaml" }), "variable");
  assert.equal(nameOf(null), "here");
  delete files["/srv/steward.yaml"];
  assert.equal(nameOf(null), "etc");
  delete files["/etc/steward/steward.yaml"];
  assert.equal(nameOf(null, { WEBHOOK_TOKEN: "x" }), "kubernetes");
  assert.deepEqual(
    faultsOf(() => nameOf("nowhere.yaml")),
    ["/srv/nowhere.yaml: cannot be read (ENOENT)"],
  );
});

test("every fault is said at once, each with its line and path, and none shows a value", () => {
  const faults = faultsOf(() =>
    load(`cluster:
webhook: { bearerToken: "\${NO_TOKEN}" }
safety:
  maxAutoFixesPerHour: "secret-1"
  maxAutoFixes: 3
  protectedNamespaces: [a, SECRET_2]
model: { baseUrl: "secret-3", apiKey: "\${NO_KEY}", timeout: 3 }
approval: { ttl: secret 4, approvals: 0, roles: [viewer] }
channels:
  slack: { appToken: { file: nothing }, botToken: "", channel: C }
  routes: [{ match: ['a="b"', 'secret-5'], to: ["feishu:oc", "sms:1"] }]
timezone: Mars/Olympus
locale: secret-6
http: { port: 99999, tls: { cert: cert.pem, key: key.pem } }
audit: { signingKey: short }
backup: { every: 0s }
extra: {}
`),
  );
  assert.deepEqual(
    faults.map((fault) => fault.replace(/routes\[0\]\.match\[1\] .*/, "routes[0].match[1] …")),
    [
      "steward.yaml:2: webhook.bearerToken needs the environment variable NO_TOKEN, which is not set",
      "steward.yaml:4: safety.maxAutoFixesPerHour must be a whole number of at least 0",
      "steward.yaml:5: safety.maxAutoFixes is not a known key",
      "steward.yaml:6: safety.protectedNamespaces[1] must be the name of a namespace",
      "steward.yaml:7: model.apiKey needs the environment variable NO_KEY, which is not set",
      "steward.yaml:7: model.baseUrl must be an http:// or https:// address",
      "steward.yaml:7: model.name is missing",
      "steward.yaml:7: model.timeout must be a duration such as 90s, 15m, 12h or 30d",
      "steward.yaml:8: approval.roles[0] must be approver or admin",
      "steward.yaml:8: approval.approvals must be at least 1",
      "steward.yaml:8: approval.ttl must be a duration such as 90s, 15m, 12h or 30d",
      "steward.yaml:10: channels.slack.appToken needs the file nothing, which cannot be read (ENOENT)",
      "steward.yaml:10: channels.slack.botToken must not be empty",
      "steward.yaml:11: channels.routes[0].match[1] …",
      "steward.yaml:11: channels.routes[0].to[1] must be dingtalk:CHAT, feishu:CHAT or slack:CHAT",
      "steward.yaml:12: timezone must be a time zone such as Asia/Shanghai or UTC",
      "steward.yaml:13: locale must be zh-CN or en",
      "steward.yaml:14: http.port must be at most 65535",
      "steward.yaml:14: http.tls.cert names cert.pem, which cannot be read (ENOENT)",
      "steward.yaml:14: http.tls.key names key.pem, which cannot be read (ENOENT)",
      "steward.yaml:15: audit.signingKey must be an Ed25519 private key in PEM, or a secret of at least 16 characters",
      "steward.yaml:16: backup.every must be a duration such as 90s, 15m, 12h or 30d",
      "steward.yaml:17: extra is not a known key",
    ],
  );
  assert.doesNotMatch(faults.filter((fault) => !fault.includes("match[1]")).join(), /secret.\d/i);
});

test("text that is not YAML is said with its line; one broken file is one report", () => {
  for (const [yaml, line] of [
    ["a: [1, 2\nb: 3\n", 2],
    ["locale: en\nlocale: en\n", 2],
    ["a: &x 1\nb: *y\n", null],
    ["\tlocale: en\n", 1],
    ["a: 1\n---\nb: 2\n", 2],
  ] as const) {
    const faults = faultsOf(() => load(yaml));
    assert.ok(
      faults.length > 0 && faults.every((fault) => fault.includes("is not valid YAML")),
      JSON.stringify({ yaml, faults }),
    );
    if (line !== null) assert.match(faults[0] ?? "", new RegExp(`steward.yaml:${line}:`));
  }
  for (const yaml of ["[]", "just words", "42"])
    assert.match(faultsOf(() => load(yaml)).join(), /must be a section with keys/);
});

test("a file that grows through its aliases is refused, not expanded", () => {
  const rows = Array.from(
    { length: 12 },
    (_, i) =>
      `l${i}: &l${i} [${Array(10)
        .fill(i === 0 ? "x" : `*l${i - 1}`)
        .join(", ")}]`,
  );
  const started = performance.now();
  assert.match(faultsOf(() => load(rows.join("\n"))).join(), /is not valid YAML/);
  assert.ok(performance.now() - started < 2_000);
});

test("a variable is put into a text, twice a dollar is a dollar, and a mounted secret is read without its last line end", () => {
  const config = load(
    `webhook:
  bearerToken: ["a-\${A}-\${B}", "price $\${A}", { file: token }, { file: "\${DIR}/token" }]
  basic: { username: "$5 and \${A}", password: { file: /abs/password } }
`,
    {
      env: { A: "1", B: "$&", DIR: "sub" },
      files: {
        "/etc/steward/token": "mounted\n",
        "/etc/steward/sub/token": "below\r\n",
        "/abs/password": `with\nlines \${A}\n\n`,
      },
    },
  );
  assert.deepEqual(config.webhook.bearerToken, ["a-1-$&", `price \${A}`, "mounted", "below"]);
  assert.deepEqual(config.webhook.basic, { username: "$5 and 1", password: `with\nlines \${A}\n` });
});

test("without a credential for the webhook the bot does not start, unless it is told to be open", () => {
  const refused = /webhook has no credential: set bearerToken, basic or hmacSecret/;
  for (const yaml of ["", "locale: en\n", "webhook: {}\n", "webhook:\n", "webhook: { bearerToken: [] }\n"]) {
    assert.match(faultsOf(() => load(yaml)).join(), refused, yaml);
  }
  assert.match(faultsOf(() => load('webhook: { bearerToken: "" }\n')).join(), /must not be empty/);
  assert.match(
    faultsOf(() => load(`webhook: { bearerToken: "\${T}" }\n`, { env: { T: "" } })).join(),
    /must not be empty/,
  );
  for (const yaml of [
    open,
    "webhook: { bearerToken: x }\n",
    "webhook: { bearerToken: [x, y] }\n",
    "webhook: { basic: { username: a, password: b } }\n",
    "webhook: { hmacSecret: x }\n",
  ]) {
    assert.deepEqual(
      faultsOf(() => load(yaml)),
      [],
      yaml,
    );
  }
});

test("WEBHOOK_TOKEN is the token where the file names none", () => {
  const given = { WEBHOOK_TOKEN: "t" };
  assert.deepEqual(load("locale: en\n", { env: given }).webhook.bearerToken, ["t"]);
  assert.deepEqual(load("webhook: { hmacSecret: x }\n", { env: given }).webhook.bearerToken, ["t"]);
  assert.deepEqual(load("webhook: { bearerToken: other }\n", { env: given }).webhook.bearerToken, ["other"]);
  assert.deepEqual(load("webhook: { bearerToken: [], insecure: true }\n", { env: given }).webhook.bearerToken, []);
});

test("the rules of the policy file come first, faults name the file and line, and `policy.file` is a path", () => {
  const files = {
    "/etc/steward/rules.yaml": `rules:
  - name: from-file
    match: ['env="dev"']
    route: diagnose
`,
  };
  const yaml = `${open}policy:
  file: rules.yaml
  rules:
    - { name: own, match: ['severity="critical"'], route: notify }
`;
  const config = load(yaml, { files });
  assert.deepEqual(
    config.policy.rules.map(({ name }) => name),
    ["from-file", "own"],
  );
  assert.deepEqual(config.policy.places, [
    { file: "/etc/steward/rules.yaml", line: 2 },
    { file: "/etc/steward/steward.yaml", line: 5 },
  ]);
  const [matcher] = config.policy.rules[0]?.match ?? [];
  assert.ok(matcher && matches(matcher, { env: "dev" }));
  // A section with nothing but `file` is not a mounted secret.
  assert.equal(load(`${open}policy: { file: rules.yaml }\n`, { files }).policy.rules.length, 1);

  const broken = {
    "/etc/steward/rules.yaml": "rules:\n  - name: x\n    match: ['env=~\"(\"']\n    route: nowhere\nother: 1\n",
  };
  const faults = faultsOf(() => load(yaml, { files: broken }));
  assert.equal(faults.length, 3);
  assert.match(faults[0] ?? "", /^\/etc\/steward\/rules\.yaml:3: rules\[0\]\.match\[0\] /);
  assert.equal(faults[1], "/etc/steward/rules.yaml:4: rules[0].route must be notify or diagnose or autofix or ignore");
  assert.equal(faults[2], "/etc/steward/rules.yaml:5: other is not a known key");
  assert.match(
    faultsOf(() => load(yaml)).join(),
    /steward\.yaml:3: policy\.file names rules\.yaml, which cannot be read \(ENOENT\)/,
  );
  assert.throws(() => parsePolicy("p.yaml", "rules: 5", surroundings({}, {})), ConfigError);
  assert.equal(parsePolicy("p.yaml", "rules: [{ route: ignore }]", surroundings({}, {})).length, 1);
});

test("a route may only name channels that are configured", () => {
  const slack = "slack: { appToken: a, botToken: b, channel: c }";
  const route = (to: string) => `${open}channels:\n  ${slack}\n  routes: [{ match: [], to: ["${to}"] }]\n`;
  assert.deepEqual(
    faultsOf(() => load(route("slack:C9"))),
    [],
  );
  assert.deepEqual(
    faultsOf(() => load(route("feishu:oc_1"))),
    ["steward.yaml:4: channels.routes[0].to[0] channels.feishu is not configured"],
  );
});

test("each channel speaks the bot's language unless it has its own", () => {
  const config = load(`${open}locale: en
channels:
  slack: { appToken: a, botToken: b, channel: c }
  feishu: { appId: a, appSecret: b, chatId: c, locale: zh-CN, domain: "http://127.0.0.1:9/" }
`);
  assert.equal(config.channels.slack?.locale, "en");
  assert.equal(config.channels.feishu?.locale, "zh-CN");
  assert.equal(config.channels.feishu?.domain, "http://127.0.0.1:9");
});

test("keys that would reach into objects are unknown keys", () => {
  assert.match(
    faultsOf(() => load("__proto__: { webhook: { insecure: true } }\n")).join(),
    /__proto__ is not a known key/,
  );
  assert.match(faultsOf(() => load(`${open}constructor: 1\n`)).join(), /constructor is not a known key/);
});

test("the configuration cannot be changed, and its secrets can be listed for masking", () => {
  const config = load(whole, { env });
  assert.throws(() => Object.assign(config.safety, { maxAutoFixesPerHour: 99 }), TypeError);
  assert.throws(() => Object.assign(config.policy.rules, { 0: null }), TypeError);
  assert.deepEqual(ownSecrets(config).sort(), ["s", "s", "the-key", "the-token", "xapp", "xoxb"]);
});

test("every key that is a secret by its name is listed for masking", () => {
  const source = readFileSync(join(import.meta.dirname, "../bot/config.ts"), "utf8");
  const listed = source.slice(source.indexOf("export function ownSecrets"), source.indexOf("filter((secret)"));
  const schema = ["schema", "channels"]
    .map((name) => readFileSync(join(import.meta.dirname, `../bot/config/${name}.ts`), "utf8"))
    .join("");
  for (const [, key = ""] of schema.matchAll(
    /\b(\w*(?:[tT]oken|[sS]ecret|[pP]assword|[kK]ey))\b: (?:optionalText|text\b|z\.)/g,
  )) {
    if (key === "protectionKey" || key === "key") continue;
    assert.match(listed, new RegExp(`\\b${key}\\b`), key);
  }
});
