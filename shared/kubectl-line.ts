import { Action } from "./action.ts";
import { StewardError } from "./errors.ts";
import { field, targetOf } from "./kube.ts";

/** What a line comes apart into: words in their order, and flags by their long name. */
interface Line {
  words: string[];
  flags: Map<string, string>;
}

/** Short and long flags that mean something here; everything else is refused by name. */
const flagNames: Readonly<Record<string, string>> = {
  "-n": "namespace",
  "--namespace": "namespace",
  "--replicas": "replicas",
  "--to-revision": "to-revision",
  "-c": "containers",
  "--containers": "containers",
  "--limits": "limits",
  "--requests": "requests",
};

/** Flags that would choose as whom or where a command runs, or take a safeguard away: named for what they are. */
const forbiddenFlags = new Set(
  [
    "--server -s --kubeconfig --context --cluster --user --token --username --password --as --as-group --as-uid",
    "--client-certificate --client-key --certificate-authority --insecure-skip-tls-verify --tls-server-name",
    "--force --grace-period --now --cascade --all -A --all-namespaces -l --selector --field-selector -f --filename",
    "-R --recursive -k --kustomize --dry-run --validate --raw --field-manager --overrides",
  ].flatMap((names) => names.split(" ")),
);

/** Names of kinds as kubectl takes them, with or without their API group. */
const kindNames: Readonly<Record<string, string>> = {
  deployment: "deployment",
  deployments: "deployment",
  deploy: "deployment",
  statefulset: "statefulset",
  statefulsets: "statefulset",
  sts: "statefulset",
  daemonset: "daemonset",
  daemonsets: "daemonset",
  ds: "daemonset",
  replicaset: "replicaset",
  replicasets: "replicaset",
  rs: "replicaset",
  pod: "pod",
  pods: "pod",
  po: "pod",
};

/**
 * A kubectl command, typed by a person, as an action (SPEC 8). `kubectl` itself may be left out. Never run, and never given to
 * a shell: it is read word by word, and understood wholly or refused.
 * Throws `not_understood` with the part that was not.
 */
export function parseKubectlLine(line: string, defaultNamespace: string): Action {
  const { words, flags } = split(line);
  const reader = createReader(words, flags);
  const verb = reader.word("a kubectl command");
  const action = actionOf(verb, reader, flags.get("namespace") ?? defaultNamespace);
  reader.finish();
  const parsed = Action.safeParse(action);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const part = field(action, ...(issue?.path ?? []).map(String)) ?? line;
  throw notUnderstood(
    typeof part === "object" ? JSON.stringify(part) : String(part),
    issue?.message ?? "is no value here",
  );
}

function actionOf(verb: string, reader: Reader, namespace: string): unknown {
  switch (verb) {
    case "scale": {
      const target = reader.target();
      return { kind: "scale", namespace, target, replicas: reader.number("replicas") };
    }
    case "rollout":
      return rollout(reader, namespace);
    case "set":
      return set(reader, namespace);
    case "delete": {
      const target = reader.target();
      if (!target.startsWith("pod/")) throw notUnderstood(target, "only a pod can be deleted");
      return { kind: "delete", namespace, target };
    }
    default:
      throw notUnderstood(verb, "is not a command that changes something here (scale, rollout, set, delete)");
  }
}

function rollout(reader: Reader, namespace: string): unknown {
  const verb = reader.word("rollout restart or rollout undo");
  switch (verb) {
    case "restart":
      return { kind: "restart", namespace, target: reader.target() };
    case "undo": {
      const target = reader.target();
      const toRevision = reader.optionalNumber("to-revision");
      // kubectl takes 0 for "the one before".
      return {
        kind: "rollback",
        namespace,
        target,
        ...(toRevision === undefined || toRevision === 0 ? {} : { toRevision }),
      };
    }
    default:
      throw notUnderstood(`rollout ${verb}`, "is not rollout restart or rollout undo");
  }
}

function set(reader: Reader, namespace: string): unknown {
  const what = reader.word("set image or set resources");
  switch (what) {
    case "image": {
      const target = reader.target();
      const pair = reader.word("CONTAINER=IMAGE");
      const at = pair.indexOf("=");
      if (at < 1) throw notUnderstood(pair, "is not CONTAINER=IMAGE");
      return { kind: "setImage", namespace, target, container: pair.slice(0, at), image: pair.slice(at + 1) };
    }
    case "resources": {
      const target = reader.target();
      const container = reader.flag("containers");
      if (container === undefined) throw notUnderstood("set resources", "needs -c CONTAINER: one container at a time");
      const [requests, limits] = [reader.pairs("requests"), reader.pairs("limits")];
      return {
        kind: "setResources",
        namespace,
        target,
        container,
        ...(requests === undefined ? {} : { requests }),
        ...(limits === undefined ? {} : { limits }),
      };
    }
    default:
      throw notUnderstood(`set ${what}`, "is not set image or set resources");
  }
}

type Reader = ReturnType<typeof createReader>;

/** Takes a line apart from the front, and knows at the end what nobody took. */
function createReader(words: readonly string[], flags: ReadonlyMap<string, string>) {
  const taken = new Set(["namespace"]);
  let position = 0;

  function word(expected: string): string {
    const found = words[position++];
    if (found === undefined) throw notUnderstood("the end", `${expected} is missing`);
    return found;
  }

  function flag(name: string): string | undefined {
    taken.add(name);
    return flags.get(name);
  }

  function optionalNumber(name: string): number | undefined {
    const text = flag(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,9}$/.test(text)) throw notUnderstood(`--${name}=${text}`, "is not a whole number");
    return Number(text);
  }

  return {
    word,
    flag,
    optionalNumber,
    number(name: string): number {
      const value = optionalNumber(name);
      if (value === undefined) throw notUnderstood("the end", `--${name} is missing`);
      return value;
    },
    /** `deploy/x` or `deploy x`. */
    target(): string {
      const first = word("KIND/NAME");
      const slash = first.indexOf("/");
      const name = slash < 0 ? word(`the name of the ${first}`) : first.slice(slash + 1);
      return targetOf(kindOf(slash < 0 ? first : first.slice(0, slash)), name);
    },
    /** `cpu=200m,memory=512Mi` */
    pairs(name: string): Record<string, string> | undefined {
      const text = flag(name);
      if (text === undefined) return undefined;
      const entries = text.split(",").map((pair): [string, string] => {
        const [key = "", value = "", ...more] = pair.split("=");
        if (key === "__proto__" || key === "" || value === "" || more.length > 0)
          throw notUnderstood(`--${name}=${text}`, `${pair} is not NAME=QUANTITY`);
        return [key, value];
      });
      const names = entries.map(([key]) => key);
      if (new Set(names).size < names.length) throw notUnderstood(`--${name}=${text}`, "names one resource twice");
      return Object.fromEntries(entries);
    },
    finish(): void {
      const extra = words[position];
      if (extra !== undefined) throw notUnderstood(extra, "is more than the command takes");
      for (const [name, value] of flags) {
        if (!taken.has(name)) throw notUnderstood(`--${name}=${value}`, "does not belong to this command");
      }
    },
  };
}

/** `deploy/x` as `deployment/x`. Throws `not_understood`. */
export function parseTargetWord(text: string): string {
  const slash = text.indexOf("/");
  if (slash < 0) throw notUnderstood(text, "is not KIND/NAME");
  return targetOf(kindOf(text.slice(0, slash)), text.slice(slash + 1));
}

/** `deploy`, `deployments.apps`, `Deployment` → `deployment`. */
function kindOf(text: string): string {
  const [name = "", ...group] = text.toLowerCase().split(".");
  const kind = Object.hasOwn(kindNames, name) ? kindNames[name] : undefined;
  const groupFits = group.length === 0 || group.join(".") === "apps" || group.join(".") === "v1.apps";
  if (kind === undefined || !groupFits || (kind === "pod" && group.length > 0)) {
    throw notUnderstood(text, "is not a kind that can be changed here");
  }
  return kind;
}

/** Words and flags. Quotes, substitutions and operators of a shell have no meaning here, so none is taken for granted. */
function split(line: string): Line {
  const text = line.trim();
  const odd = /[^A-Za-z0-9 \t=/:.,_@-]/u.exec(text);
  if (odd !== null) throw notUnderstood(odd[0], "quotes, operators and other signs are not read here");
  const parts = text.split(/[ \t]+/).filter((part) => part !== "");
  if (parts[0] === "kubectl") parts.shift();

  const words: string[] = [];
  const flags = new Map<string, string>();
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? "";
    if (!part.startsWith("-")) {
      words.push(part);
      continue;
    }
    const { flag, value } = flagOf(part);
    if (forbiddenFlags.has(flag))
      throw notUnderstood(flag, "is not taken: Steward decides as whom, where and how it acts");
    const name = Object.hasOwn(flagNames, flag) ? flagNames[flag] : undefined;
    if (name === undefined) throw notUnderstood(flag, "is not a flag that is known here");
    const given = value ?? parts[++i];
    if (given === undefined || given === "" || given.startsWith("-")) throw notUnderstood(part, "has no value");
    if (flags.has(name)) throw notUnderstood(part, "is given twice");
    flags.set(name, given);
  }
  return { words, flags };
}

/** `--flag=value`, `--flag`, `-n=value`, `-nvalue`, `-n`. */
function flagOf(part: string): { flag: string; value: string | undefined } {
  const equals = part.indexOf("=");
  if (part.startsWith("--") || equals === 2) {
    return equals < 0
      ? { flag: part, value: undefined }
      : { flag: part.slice(0, equals), value: part.slice(equals + 1) };
  }
  return part.length > 2 ? { flag: part.slice(0, 2), value: part.slice(2) } : { flag: part, value: undefined };
}

function notUnderstood(part: string, why: string): StewardError {
  return new StewardError("not_understood", `${part}: ${why}`, { path: part });
}
