/**
 * Types of API objects: which fields exist, what Go does with empty ones, and how lists merge. Built-in kinds come from
 * kubernetes-types.ts, custom ones from their CRD.
 */
import { isObject, type JsonObject } from "../json.ts";
import { formatQuantity, parseQuantity } from "../quantity.ts";
import { kubernetesTypes } from "./kubernetes-types.ts";

type Scalar =
  | "string"
  | "boolean"
  | "int32"
  | "int64"
  | "number"
  | "double"
  | "bytes"
  | "time"
  | "microtime"
  | "quantity"
  | "intstr";

export type Type =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "raw" }
  | { readonly kind: "list"; readonly of: Type }
  | { readonly kind: "map"; readonly of: Type }
  | { readonly kind: "struct"; readonly struct: Struct };

export interface Field {
  readonly name: string;
  readonly type: Type;
  /** Go pointer: an explicit zero is kept. */
  readonly pointer: boolean;
  /** Left out when empty. Without it the field is always written. */
  readonly omitempty: boolean;
  readonly omitzero: boolean;
  readonly required: boolean;
  /** Server-side apply: keys of an associative list, or a set; otherwise the list is one value. */
  readonly listKeys: readonly string[];
  readonly isSet: boolean;
  /** A struct or map that apply treats as one value. */
  readonly atomic: boolean;
  /** Strategic merge: merge, replace, retainKeys; and the key of list items. */
  readonly patch: ReadonlySet<string>;
  readonly mergeKey: string | undefined;
  /** Protobuf field numbers from the message down, `2.5` for field 5 of the embedded message 2. */
  readonly number: string;
}

export interface Struct {
  readonly name: string;
  readonly atomic: boolean;
  readonly fields: ReadonlyMap<string, Field>;
  /** Fields that are not declared are kept (x-kubernetes-preserve-unknown-fields). */
  readonly open: boolean;
}

export interface Schema {
  /** The struct of that Go-like name, as in `apps.v1.Deployment`. */
  struct(name: string): Struct;
  names(): readonly string[];
}

const scalars: ReadonlySet<string> = new Set<Scalar>([
  "string",
  "boolean",
  "int32",
  "int64",
  "number",
  "double",
  "bytes",
  "time",
  "microtime",
  "quantity",
  "intstr",
]);
function isScalar(text: string): text is Scalar {
  return scalars.has(text);
}

/** Reads the generated table once. */
export function loadSchema(): Schema {
  const structs = new Map<string, Struct>();
  const bodies = new Map<Struct, Map<string, Field>>();
  let current: Map<string, Field> | undefined;
  const lines = kubernetesTypes.split("\n").filter((line) => line !== "");
  for (const line of lines) {
    if (line.startsWith(" ")) continue;
    const [name = "", atomic] = line.split(" ");
    const fields = new Map<string, Field>();
    const struct: Struct = { name, atomic: atomic === "atomic", fields, open: false };
    structs.set(name, struct);
    bodies.set(struct, fields);
  }
  function typeOf(text: string): Type {
    if (text.startsWith("[]")) return { kind: "list", of: typeOf(text.slice(2)) };
    if (text.startsWith("map ")) return { kind: "map", of: typeOf(text.slice(4)) };
    if (text === "raw") return { kind: "raw" };
    if (isScalar(text)) return { kind: "scalar", scalar: text };
    const struct = structs.get(text);
    return struct ? { kind: "struct", struct } : { kind: "raw" };
  }
  for (const line of lines) {
    if (!line.startsWith(" ")) {
      const struct = structs.get(line.split(" ")[0] ?? "");
      current = struct && bodies.get(struct);
      continue;
    }
    const match = /^ (\S+): (\*?)([^|]+?)(?: \| (.*))?$/.exec(line);
    if (!match || !current) continue;
    const [, name = "", star, typeText = "", flagText = ""] = match;
    const flags = flagText.split(" ");
    const value = (key: string) => flags.find((flag) => flag.startsWith(`${key}=`))?.slice(key.length + 1);
    const list = value("list");
    current.set(name, {
      name,
      type: typeOf(typeText),
      pointer: star === "*",
      omitempty: flags.includes("omitempty") || flags.includes("omitzero"),
      omitzero: flags.includes("omitzero"),
      required: flags.includes("required"),
      listKeys: list && list !== "set" ? list.split(",") : [],
      isSet: list === "set",
      atomic: flags.includes("atomic"),
      patch: new Set(value("patch")?.split(",") ?? []),
      mergeKey: value("key"),
      number: flags.find((flag) => flag.startsWith("#"))?.slice(1) ?? "",
    });
  }
  return {
    struct(name) {
      const struct = structs.get(name);
      if (!struct) throw new Error(`no type ${name}`);
      return struct;
    },
    names: () => [...structs.keys()],
  };
}

/** What decoding found besides the object. */
export interface DecodeReport {
  /** Full paths of fields that the type does not have. */
  readonly unknown: string[];
}

/** A value of the wrong type; the message is the one Go's decoder gives. */
export class DecodeError extends Error {}

/**
 * The object as Go would write it after reading this JSON: unknown fields reported and dropped, nulls and empty optional
 * values left out, fields without omitempty always there, quantities in canonical form.
 */
export function decode(struct: Struct, value: JsonObject, report: DecodeReport): JsonObject {
  return decodeStruct(struct, value, "", report);
}

function decodeStruct(struct: Struct, value: JsonObject, path: string, report: DecodeReport): JsonObject {
  const out: JsonObject = {};
  for (const key of Object.keys(value)) {
    const field = struct.fields.get(key);
    if (!field) {
      if (struct.open) {
        if (value[key] !== null) out[key] = value[key];
      } else report.unknown.push(path === "" ? key : `${path}.${key}`);
    }
  }
  for (const [key, field] of struct.fields) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    if (given === undefined || given === null) {
      if (!field.omitempty || (field.type.kind === "struct" && !field.pointer && !field.omitzero)) {
        out[key] = zeroOf(field, report);
      } else if (isTime(field) && !field.pointer && !field.omitzero) out[key] = null;
      continue;
    }
    const decoded = decodeValue(field.type, given, path === "" ? key : `${path}.${key}`, struct.name, key, report);
    if (field.omitempty && isEmpty(field, decoded)) continue;
    out[key] = decoded;
  }
  return out;
}

function isTime(field: Field): boolean {
  return field.type.kind === "scalar" && (field.type.scalar === "time" || field.type.scalar === "microtime");
}

function zeroOf(field: Field, report: DecodeReport): unknown {
  if (field.pointer || isTime(field)) return null;
  if (field.type.kind === "struct") return decodeStruct(field.type.struct, {}, "", report);
  if (field.type.kind !== "scalar") return null;
  if (field.type.scalar === "boolean") return false;
  if (["int32", "int64", "number", "double", "intstr"].includes(field.type.scalar)) return 0;
  return field.type.scalar === "quantity" ? "0" : "";
}

function isEmpty(field: Field, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (field.type.kind === "map") return isObject(value) && Object.keys(value).length === 0;
  if (field.type.kind === "raw" || field.pointer) return false;
  return value === "" || value === 0 || value === false;
}

function goType(type: Type): string {
  switch (type.kind) {
    case "scalar":
      return {
        boolean: "bool",
        number: "float64",
        double: "float64",
        bytes: "[]uint8",
        time: "v1.Time",
        microtime: "v1.MicroTime",
        quantity: "resource.Quantity",
        intstr: "intstr.IntOrString",
        string: "string",
        int32: "int32",
        int64: "int64",
      }[type.scalar];
    case "list":
      return `[]${goType(type.of)}`;
    case "map":
      return `map[string]${goType(type.of)}`;
    case "struct":
      return type.struct.name.split(".").slice(-2).join(".");
    case "raw":
      return "interface {}";
  }
}

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value === "object" ? "object" : typeof value;
}

function decodeValue(
  type: Type,
  value: unknown,
  path: string,
  owner: string,
  key: string,
  report: DecodeReport,
): unknown {
  const mismatch = () => {
    const structName = owner.split(".").at(-1) ?? owner;
    return new DecodeError(
      `json: cannot unmarshal ${jsonKind(value)} into Go struct field ${structName}.${path.replace(/\[\d+\]/g, "")} of type ${goType(type)}`,
    );
  };
  switch (type.kind) {
    case "raw":
      return value;
    case "struct":
      if (!isObject(value)) throw mismatch();
      return decodeStruct(type.struct, value, path, report);
    case "map": {
      if (!isObject(value)) throw mismatch();
      const out: JsonObject = {};
      for (const name of Object.keys(value)) {
        const item = value[name];
        Object.defineProperty(out, name, {
          value:
            item === null
              ? type.of.kind === "scalar" && type.of.scalar === "string"
                ? ""
                : item
              : decodeValue(type.of, item, `${path}.${name}`, owner, key, report),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      return out;
    }
    case "list":
      if (!Array.isArray(value)) throw mismatch();
      return value.map((item, i) =>
        item === null ? item : decodeValue(type.of, item, `${path}[${i}]`, owner, key, report),
      );
    case "scalar":
      return decodeScalar(type.scalar, value, mismatch);
  }
}

function decodeScalar(scalar: Scalar, value: unknown, mismatch: () => DecodeError): unknown {
  switch (scalar) {
    case "string":
    case "bytes":
      if (typeof value !== "string") throw mismatch();
      return value;
    case "boolean":
      if (typeof value !== "boolean") throw mismatch();
      return value;
    case "int32":
    case "int64":
      if (typeof value !== "number" || !Number.isInteger(value)) throw mismatch();
      return value;
    case "number":
    case "double":
      if (typeof value !== "number") throw mismatch();
      return value;
    case "intstr":
      if (typeof value !== "string" && typeof value !== "number") throw mismatch();
      return value;
    case "quantity": {
      if (typeof value !== "string" && typeof value !== "number") throw mismatch();
      const quantity = parseQuantity(value);
      if ("error" in quantity) throw new DecodeError(quantity.error);
      return formatQuantity(quantity);
    }
    case "time":
    case "microtime": {
      if (typeof value !== "string") throw mismatch();
      const parsed = new Date(value);
      const rest = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(.*)$/.exec(value)?.[1];
      if (scalar === "microtime" && rest !== undefined && !/^\.\d{6}(Z|[+-])/.test(rest)) {
        throw new DecodeError(
          `parsing time "${value}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "${rest}" as ".000000"`,
        );
      }
      if (Number.isNaN(parsed.getTime()) || !/^\d{4}-\d\d-\d\dT/.test(value)) {
        throw new DecodeError(
          `parsing time "${value}" as "2006-01-02T15:04:05Z07:00": cannot parse "${value}" as "2006"`,
        );
      }
      return scalar === "time" ? `${parsed.toISOString().slice(0, 19)}Z` : microTime(value);
    }
  }
}

function microTime(value: string): string {
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? "";
  return `${new Date(value).toISOString().slice(0, 19)}.${fraction.padEnd(6, "0").slice(0, 6)}Z`;
}
