import { join, resolve } from "node:path";
import { z } from "zod";
import { Rule } from "../shared/policy.ts";
import { describeIssues } from "./config/faults.ts";
import { ConfigSchema } from "./config/schema.ts";
import { codeOf, type Fault, readSource, type Source, type Surroundings } from "./config/source.ts";

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends Readonly<Record<string, unknown>>
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

type Settled = ReturnType<typeof settle>;

/**
 * The configuration, frozen: keys as in the YAML (SPEC 5), durations in milliseconds, secrets and paths resolved, each
 * channel's `locale` filled in. `policy.rules` are the rules of the policy file, then the file's own; none: the built-in
 * ones hold. `policy.places[i]` says where `rules[i]` stands. `source` is the file that was read; null: the defaults.
 */
export type Config = Frozen<Omit<Settled, "policy">> & Readonly<Pick<Settled, "policy">>;

/** Where a rule stands, for what is said about it later. */
interface Place {
  file: string | null;
  line: number | null;
}

/** Everything that is wrong with a configuration. The process says it and exits 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map(describeFault).join("\n"));
    this.faults = faults;
  }
}

export interface ConfigInput extends Surroundings {
  /** The path given by `--config`. */
  argvPath: string | null;
}

/**
 * Finds, reads and checks the configuration: `--config`, else `STEWARD_CONFIG`, else `./steward.yaml`, else
 * `/etc/steward/steward.yaml`, else the defaults. Throws ConfigError with every fault at once.
 * Paths in the file are relative to its folder, but `data` and `backup.dir` to the working directory.
 */
export function loadConfig(input: ConfigInput): Config {
  const source = findSource(input);
  const value = withDefaultToken(withoutEmptySections(source.value), input.env);
  const parsed = ConfigSchema.safeParse(value);
  const policy = readPolicy(source, input);
  const faults = [
    ...source.faults,
    ...(parsed.success ? [] : describeIssues(parsed.error, source)),
    ...policy.faults,
    ...missingFiles(source, input, [
      ["cluster", "kubeconfig"],
      ["http", "tls", "cert"],
      ["http", "tls", "key"],
    ]),
  ];
  if (!parsed.success || faults.length > 0) throw new ConfigError(inOrder(faults));
  return freeze(settle(parsed.data, source, policy, input.cwd));
}

/** Every secret the configuration holds, to be masked wherever it turns up. */
export function ownSecrets({ webhook, model, sources, channels, audit }: Config): string[] {
  return [
    ...webhook.bearerToken,
    webhook.basic?.password,
    webhook.hmacSecret,
    model?.apiKey,
    sources.prometheus?.bearerToken,
    sources.loki?.bearerToken,
    channels.dingtalk?.clientSecret,
    channels.feishu?.appSecret,
    channels.slack?.appToken,
    channels.slack?.botToken,
    audit.signingKey,
  ].filter((secret) => typeof secret === "string");
}

/** A policy file or the body of one, for `policy test` against rules that are not in force. Throws ConfigError. */
export function parsePolicy(file: string, content: string, surroundings: Surroundings): Rule[] {
  const { rules, faults } = policyOf(readSource(file, content, surroundings));
  if (faults.length > 0) throw new ConfigError(faults);
  return rules;
}

function settle(
  { cluster, http, channels, backup, policy, ...rest }: z.output<typeof ConfigSchema>,
  source: Source,
  outside: Policy,
  cwd: string,
) {
  const localized = <C extends { locale: "zh-CN" | "en" | null }>(channel: C | null) =>
    channel === null ? null : { ...channel, locale: channel.locale ?? rest.locale };
  const place = (i: number): Place => ({ file: source.file, line: source.line(["policy", "rules", i]) });
  return {
    ...rest,
    cluster: { ...cluster, kubeconfig: cluster.kubeconfig === null ? null : source.resolve(cluster.kubeconfig) },
    http: {
      ...http,
      tls: http.tls === null ? null : { cert: source.resolve(http.tls.cert), key: source.resolve(http.tls.key) },
    },
    channels: {
      dingtalk: localized(channels.dingtalk),
      feishu: localized(channels.feishu),
      slack: localized(channels.slack),
      routes: channels.routes,
    },
    data: resolve(cwd, rest.data),
    backup: { ...backup, dir: backup.dir === null ? null : resolve(cwd, backup.dir) },
    policy: {
      file: outside.file,
      rules: [...outside.rules, ...policy.rules],
      places: [...outside.places, ...policy.rules.map((_, i) => place(i))],
    },
    source: source.file,
  };
}

function findSource(input: ConfigInput): Source {
  const named = input.argvPath ?? input.env["STEWARD_CONFIG"] ?? null;
  if (named !== null) {
    const file = resolve(input.cwd, named);
    try {
      return readSource(file, input.readFile(file), input);
    } catch (error) {
      throw new ConfigError([{ path: "", message: `cannot be read (${codeOf(error)})`, file, line: null }]);
    }
  }
  for (const file of [join(input.cwd, "steward.yaml"), "/etc/steward/steward.yaml"]) {
    try {
      return readSource(file, input.readFile(file), input);
    } catch (error) {
      if (codeOf(error) === "ENOENT") continue;
      throw new ConfigError([{ path: "", message: `cannot be read (${codeOf(error)})`, file, line: null }]);
    }
  }
  return readSource(null, "", input);
}

/** `cluster:` with every key below it commented out is YAML's null, and means the defaults. */
function withoutEmptySections(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null));
}

/** The default of `webhook.bearerToken` is `${WEBHOOK_TOKEN}`, where that is set. */
function withDefaultToken(value: unknown, env: Surroundings["env"]): unknown {
  const token = env["WEBHOOK_TOKEN"];
  if (token === undefined || token === "" || !isSection(value)) return value;
  const webhook = value["webhook"] ?? {};
  if (!isSection(webhook) || "bearerToken" in webhook) return value;
  return { ...value, webhook: { ...webhook, bearerToken: token } };
}

interface Policy {
  file: string | null;
  rules: Rule[];
  places: Place[];
  faults: readonly Fault[];
}

const PolicyFile = z.strictObject({ rules: z.array(Rule) });

function readPolicy(source: Source, input: ConfigInput): Policy {
  const named = source.at(["policy", "file"]);
  if (typeof named !== "string" || source.isFaulty(["policy", "file"]))
    return { file: null, rules: [], places: [], faults: [] };
  const file = source.resolve(named);
  try {
    return policyOf(readSource(file, input.readFile(file), input));
  } catch (error) {
    const fault = source.fault(["policy", "file"], `names ${named}, which cannot be read (${codeOf(error)})`);
    return { file, rules: [], places: [], faults: [fault] };
  }
}

function policyOf(source: Source): Policy {
  const parsed = PolicyFile.safeParse(source.value);
  const rules = parsed.success ? parsed.data.rules : [];
  return {
    file: source.file,
    rules,
    places: rules.map((_, i) => ({ file: source.file, line: source.line(["rules", i]) })),
    faults: [...source.faults, ...(parsed.success ? [] : describeIssues(parsed.error, source))],
  };
}

/** Files that are only named here and read elsewhere, so that a wrong name is found now and not at the first connection. */
function missingFiles(source: Source, input: ConfigInput, paths: readonly (readonly string[])[]): Fault[] {
  return paths.flatMap((path) => {
    const named = source.at(path);
    if (typeof named !== "string" || source.isFaulty(path)) return [];
    try {
      input.readFile(source.resolve(named));
      return [];
    } catch (error) {
      return [source.fault(path, `names ${named}, which cannot be read (${codeOf(error)})`)];
    }
  });
}

/** As they stand in the files: the configuration's own first. */
function inOrder(faults: readonly Fault[]): Fault[] {
  const files = [...new Set(faults.map(({ file }) => file))];
  return [...faults].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || (a.line ?? 0) - (b.line ?? 0));
}

function describeFault({ file, line, path, message }: Fault): string {
  const place = file === null ? "configuration" : line === null ? file : `${file}:${line}`;
  return path === "" ? `${place}: ${message}` : `${place}: ${path} ${message}`;
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All the way down but for compiled matchers, which are another module's. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const [key, item] of Object.entries(value)) if (key !== "match") freeze(item);
  return Object.freeze(value);
}
