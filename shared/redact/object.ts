import { field } from "../kube.ts";
import { isHarmlessVariable, type SecretKind, secretKindOf } from "./names.ts";
import type { Mask } from "./text.ts";

interface Walk {
  text: (text: string) => string;
  mask: Mask;
}

const deepest = 100;

/** Masks by structure first (what is under a secret's name, what Kubernetes keeps secrets in), then every text by its look. */
export function maskObject<T>(value: T, text: (text: string) => string, mask: Mask): T {
  return maskValue(value, null, { text, mask }, 0) as T; // the same shape: only texts are replaced, and what is left out is optional everywhere
}

function maskValue(value: unknown, name: string | null, walk: Walk, depth: number): unknown {
  if (typeof value === "string") return maskLeaf(value, name, walk);
  if (typeof value === "number" && name !== null && isNumericSecret(value, name))
    return walk.mask("password", String(value));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (depth > deepest) return "[left out: nested too deep]";
  if (Array.isArray(value)) return maskList(value, name, walk, depth);
  return maskMap(value, name, walk, depth);
}

function maskLeaf(value: string, name: string | null, { text, mask }: Walk): string {
  if (name === null || value === "" || value.startsWith("[masked:")) return text(value);
  if (name === "caBundle") return "[left out: certificates]";
  const kind = leafKind(name);
  return kind === null || isReference(value) ? text(value) : mask(kind, value);
}

/** Files that hold credentials, as keys of a ConfigMap name them. */
const secretFile =
  /\.(?:key|pem|p12|pfx|jks|keystore)$|^\.?(?:dockerconfigjson|dockercfg|netrc|pgpass|npmrc|pypirc|htpasswd)$|^(?:credentials|kubeconfig|id_rsa|id_ed25519)$/i;

function leafKind(name: string): SecretKind | null {
  if (secretFile.test(name)) return "key";
  if (/^(?:client-key-data|client-certificate-data)$/.test(name)) return "key";
  return /^_?auth$/.test(name) ? "auth" : secretKindOf(name);
}

function isReference(value: string): boolean {
  return (
    /^(?:\$\([\w.-]+\)|\$\{[^}]*\}|\{\{.*\}\}|true|false|null|none)$/i.test(value) ||
    /^\/[a-z][\w.-]*(?:\/[\w.-]+)+$/.test(value)
  );
}

/** Numbers under a name are ports, counts and times; a PIN under a plain `password` is not. */
function isNumericSecret(value: number, name: string): boolean {
  return Number.isInteger(value) && value >= 1_000 && secretKindOf(name) === "password";
}

function maskList(list: readonly unknown[], name: string | null, walk: Walk, depth: number): unknown[] {
  let awaited: SecretKind | null = null;
  return list.map((entry) => {
    if (typeof entry !== "string") return maskValue(entry, name, walk, depth + 1);
    // `--password`, `hunter2` as two arguments
    const kind = awaited;
    awaited = /^--?[\w.-]+$/.test(entry) ? secretKindOf(entry) : null;
    if (kind !== null && awaited === null && !isReference(entry) && !entry.startsWith("[masked:"))
      return walk.mask(kind, entry);
    return maskLeaf(entry, name, walk);
  });
}

function maskMap(map: object, name: string | null, walk: Walk, depth: number): Record<string, unknown> {
  const entries = Object.entries(map);
  const secret = field(map, "kind") === "Secret" || name === "stringData";
  const variable =
    typeof field(map, "name") === "string" && typeof field(map, "value") === "string" ? field(map, "name") : null;
  const out: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entries) {
    if (key === "managedFields") continue;
    if (secret && (key === "data" || key === "stringData")) out[key] = maskAll(value, walk);
    else if (key === "annotations" || key === "labels") out[key] = maskAnnotations(value, walk, depth);
    else if (key === "value" && typeof variable === "string" && typeof value === "string")
      out[key] = maskVariable(variable, value, walk);
    else if (key === "release" && isHelmRelease(map, value)) out[key] = "[left out: a Helm release]";
    else out[key] = maskValue(value, key, walk, depth + 1);
  }
  return { ...out };
}

function maskAll(value: unknown, { mask }: Walk): unknown {
  if (typeof value !== "object" || value === null) return "[left out: secret]";
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, mask("secret", JSON.stringify(entry))]));
}

function maskVariable(name: string, value: string, { text, mask }: Walk): string {
  if (value === "" || value.startsWith("[masked:") || isReference(value)) return value;
  return isHarmlessVariable(name) || (/^(?:\d{1,5}|true|false)$/i.test(value) && secretKindOf(name) === null)
    ? text(value)
    : mask("env", value);
}

/** The last applied configuration repeats the whole object, unmasked and as one text. */
function maskAnnotations(value: unknown, walk: Walk, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !key.endsWith("/last-applied-configuration"));
  return Object.fromEntries(kept.map(([key, entry]) => [key, maskValue(entry, key, walk, depth + 1)]));
}

function isHelmRelease(map: object, value: unknown): boolean {
  return (
    typeof value === "string" &&
    value.length > 200 &&
    /^[A-Za-z0-9+/=]+$/.test(value.slice(0, 200)) &&
    Object.keys(map).length === 1
  );
}
