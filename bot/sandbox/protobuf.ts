/** Reads Kubernetes' protobuf, which Go's typed clients send. Answers are JSON, which they also accept. */
import type { JsonObject } from "./json.ts";
import type { Kinds } from "./registry/kinds.ts";
import type { Field, Schema, Struct, Type } from "./registry/schema.ts";
import { badRequest, unsupportedMediaType } from "./status.ts";

export const protobufType = "application/vnd.kubernetes.protobuf";
const magic = Buffer.from("k8s\0");

type Wire = { readonly number: number; readonly value: bigint | Buffer };

function varint(data: Buffer, start: number): { value: bigint; next: number } {
  let value = 0n;
  let shift = 0n;
  for (let i = start; i < data.length && shift < 70n; i += 1) {
    const byte = data[i] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value: BigInt.asIntN(64, value), next: i + 1 };
    shift += 7n;
  }
  throw badRequest("unexpected EOF");
}

function* fields(data: Buffer): Generator<Wire> {
  let at = 0;
  while (at < data.length) {
    const tag = varint(data, at);
    at = tag.next;
    const number = Number(tag.value >> 3n);
    const kind = Number(tag.value & 7n);
    if (kind === 0) {
      const { value, next } = varint(data, at);
      at = next;
      yield { number, value };
      continue;
    }
    let length = kind === 1 ? 8 : 4;
    if (kind === 2) {
      const size = varint(data, at);
      length = Number(size.value);
      at = size.next;
    } else if (kind !== 1 && kind !== 5) throw badRequest(`proto: illegal wireType ${kind}`);
    if (at + length > data.length) throw badRequest("unexpected EOF");
    yield { number, value: data.subarray(at, at + length) };
    at += length;
  }
}

function bytes({ value }: Wire): Buffer {
  if (!Buffer.isBuffer(value)) throw badRequest("proto: wrong wireType");
  return value;
}

function first(data: Buffer, number: number): Wire | undefined {
  for (const field of fields(data)) if (field.number === number) return field;
  return undefined;
}

function text(data: Buffer, number: number): string {
  const field = first(data, number);
  return field ? bytes(field).toString("utf8") : "";
}

function whole(data: Buffer, number: number): number {
  const value = first(data, number)?.value;
  return typeof value === "bigint" ? Number(value) : 0;
}

function scalar(type: Extract<Type, { kind: "scalar" }>["scalar"], field: Wire): unknown {
  switch (type) {
    case "boolean":
      return field.value !== 0n;
    case "int32":
    case "int64":
      return Number(field.value);
    case "number":
    case "double":
      return bytes(field).readDoubleLE();
    case "string":
      return bytes(field).toString("utf8");
    case "bytes":
      return bytes(field).toString("base64");
    case "quantity":
      return text(bytes(field), 1);
    case "intstr":
      return whole(bytes(field), 1) === 1 ? text(bytes(field), 3) : whole(bytes(field), 2);
    case "time":
    case "microtime": {
      const data = bytes(field);
      if (data.length === 0) return null;
      const micros = String(Math.floor(whole(data, 2) / 1000)).padStart(6, "0");
      return `${new Date(whole(data, 1) * 1000).toISOString().slice(0, 19)}.${micros}Z`;
    }
  }
}

function single(type: Type, field: Wire): unknown {
  switch (type.kind) {
    case "scalar":
      return scalar(type.scalar, field);
    case "struct":
      return message(type.struct, bytes(field));
    case "list": {
      // A named list type, such as the values of an extra: a message that holds the items.
      const { of } = type;
      return [...fields(bytes(field))].filter(({ number }) => number === 1).map((item) => single(of, item));
    }
    case "raw": {
      const raw = first(bytes(field), 1);
      if (!raw) return {};
      try {
        return JSON.parse(bytes(raw).toString("utf8"));
      } catch {
        throw unsupportedMediaType();
      }
    }
    case "map":
      throw badRequest("proto: map out of place");
  }
}

function message(struct: Struct, data: Buffer): JsonObject {
  const byNumber = new Map<string, Field>();
  for (const field of struct.fields.values()) if (field.number) byNumber.set(field.number, field);
  const out: JsonObject = {};
  read(data, "", byNumber, out);
  return out;
}

function read(data: Buffer, prefix: string, byNumber: ReadonlyMap<string, Field>, out: JsonObject): void {
  for (const wire of fields(data)) {
    const number = `${prefix}${wire.number}`;
    const field = byNumber.get(number);
    if (!field) {
      const embedded = [...byNumber.keys()].some((other) => other.startsWith(`${number}.`));
      if (embedded) read(bytes(wire), `${number}.`, byNumber, out);
      continue;
    }
    const { type, name } = field;
    if (type.kind === "list") {
      const list = out[name];
      const item = single(type.of, wire);
      if (Array.isArray(list)) list.push(item);
      else out[name] = [item];
    } else if (type.kind === "map") {
      const entry = bytes(wire);
      const map = typeof out[name] === "object" && out[name] !== null ? out[name] : {};
      const value = first(entry, 2);
      Object.defineProperty(map, text(entry, 1), {
        value: value ? single(type.of, value) : "",
        enumerable: true,
        configurable: true,
        writable: true,
      });
      out[name] = map;
    } else out[name] = single(type, wire);
  }
}

/** The object in a protobuf body. @throws ApiError 400 when it is none, 415 for a kind that cannot be read so */
export function readProtobuf(kinds: Kinds, schema: Schema, body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic))
    throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  const envelope = body.subarray(4);
  const typeMeta = first(envelope, 1);
  const apiVersion = typeMeta ? text(bytes(typeMeta), 1) : "";
  const kind = typeMeta ? text(bytes(typeMeta), 2) : "";
  const raw = first(envelope, 2);
  const struct = kinds.ofKind(apiVersion, kind)?.struct ?? others(schema, apiVersion, kind);
  if (!struct || !raw) throw unsupportedMediaType();
  return { ...message(struct, bytes(raw)), apiVersion, kind };
}

/** Kinds that are sent but not kept: options, scales, evictions. */
function others(schema: Schema, apiVersion: string, kind: string): Struct | undefined {
  const [group = "", version = ""] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const prefix = group === "" ? "core" : (group.split(".")[0] ?? "");
  const candidates = [`${prefix}.${version}.${kind}`, `meta.v1.${kind}`];
  const name = candidates.find((candidate) => schema.names().includes(candidate));
  return name === undefined ? undefined : schema.struct(name);
}
