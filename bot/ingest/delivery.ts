import { hash } from "node:crypto";
import type { z } from "zod";
import { isHeartbeat, largestDelivery, type WebhookAlert, WebhookBody } from "../../shared/alert.ts";
import { StewardError } from "../../shared/errors.ts";
import { fingerprintOf } from "../../shared/fingerprint.ts";
import type { Redactor } from "../../shared/redact.ts";
import { readPlainBody } from "./plain-body.ts";

/** One webhook body, checked, cut to size and without secrets: what is stored. */
export interface Delivery {
  /** Made from what is delivered (group, receiver, and each alert's identity and status), so that a repeat has the same. */
  id: string;
  groupKey: string;
  receiver: string;
  /** JSON text of a WebhookBody. */
  body: string;
  alerts: number;
  /** How many alerts Alertmanager itself left out. */
  truncated: number;
  /** Whether a Watchdog is among the alerts: firing, and the sender is alive; resolved, and Prometheus has gone. */
  heartbeat: "firing" | "resolved" | null;
}

/** Deeper than any alert; stops what would exhaust the parser's stack. */
const maxDepth = 32;
const maxLabels = 100;
const maxAnnotations = 50;
const maxName = 200;
const maxLabelValue = 2_048;
const maxAnnotationValue = 8_192;
const maxGroupKey = 4_096;

/** Labels that say what an alert is about: kept first when there are too many. */
const telling = new Set(
  (
    "alertname severity namespace pod container deployment statefulset daemonset replicaset job_name cronjob horizontalpodautoscaler " +
    "poddisruptionbudget persistentvolumeclaim persistentvolume node instance service job reason env team cluster"
  ).split(" "),
);

/** The annotation that says what was cut off an alert. */
export const cutNote = "steward_cut";

/**
 * Makes readers of webhook bodies. What a label or annotation is masked to is remembered for a while: the same few thousand names and values
 * come again and again, and telling a secret by its look is most of the work of an ingest.
 */
export function createDeliveryReader(redact: Redactor): (body: Buffer) => Delivery {
  const masked = remember((name, value) => redact.object({ [name]: value })[name] ?? "");

  return readDelivery;

  /** Throws `invalid` with the path of what is wrong, `too_large`. */
  function readDelivery(bytes: Buffer): Delivery {
    if (bytes.length > largestDelivery) throw new StewardError("too_large", "the body is larger than 4 MiB");
    const body = parseBody(bytes);
    const alerts = body.alerts.map((alert) => ({
      ...alert,
      fingerprint: alert.fingerprint || fingerprintOf(alert.labels),
    }));
    const groupKey = short(body.groupKey, maxGroupKey);
    const receiver = short(body.receiver, maxName);
    const kept = alerts.map(trim);
    return {
      id: deliveryId(body.groupKey, body.receiver, alerts),
      groupKey,
      receiver,
      body: JSON.stringify({
        version: "4",
        groupKey,
        receiver,
        status: body.status,
        truncatedAlerts: body.truncatedAlerts,
        externalURL: short(body.externalURL, maxLabelValue),
        alerts: kept,
      }),
      alerts: alerts.length,
      truncated: body.truncatedAlerts,
      heartbeat: alerts.find(isHeartbeat)?.status ?? null,
    };
  }

  function trim(alert: WebhookAlert): WebhookAlert {
    const notes: string[] = [];
    const labels = trimMap("label", alert.labels, maxLabels, maxLabelValue, notes);
    const annotations = trimMap("annotation", alert.annotations, maxAnnotations, maxAnnotationValue, notes);
    if (notes.length > 0) annotations[cutNote] = short(notes.join("; "), maxLabelValue);
    return {
      ...alert,
      labels,
      annotations,
      generatorURL: masked("generatorURL", short(alert.generatorURL, maxLabelValue)),
      fingerprint: short(alert.fingerprint, maxName),
    };
  }

  function trimMap(
    what: string,
    map: Readonly<Record<string, string>>,
    maxEntries: number,
    maxValue: number,
    notes: string[],
  ): Record<string, string> {
    let names = Object.keys(map);
    if (names.length > maxEntries) {
      notes.push(`${names.length - maxEntries} of ${names.length} ${what}s left out`);
      names = names
        .sort((a, b) => Number(telling.has(b)) - Number(telling.has(a)) || (a < b ? -1 : 1))
        .slice(0, maxEntries);
    }
    const kept: Record<string, string> = {};
    for (const name of names) {
      const value = map[name] ?? "";
      if (name.length > maxName || value.length > maxValue) {
        notes.push(`${what} ${short(name, 60)} cut from ${value.length} characters`);
      }
      const shortName = short(name, maxName);
      kept[shortName] = masked(shortName, short(value, maxValue));
    }
    return kept;
  }
}

/** Bytes to a WebhookBody with its own keys only. Throws `invalid` with a path. */
function parseBody(bytes: Buffer): WebhookBody {
  if (isTooDeep(bytes)) throw invalid("", `nests deeper than ${maxDepth} levels`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw invalid("", "is not JSON");
  }
  const plain = readPlainBody(parsed);
  if (plain !== null) return plain;
  refuseProto(parsed);
  const result = WebhookBody.safeParse(parsed);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw issue === undefined ? invalid("", "is not a webhook of version 4") : faultOf(issue, parsed);
}

/** Counts brackets outside of strings, before anything recursive sees them. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

/** Refuses `__proto__` where a schema would look at keys; what lies deeper is never looked at, and never kept. */
function refuseProto(body: unknown): void {
  if (!isMap(body)) return;
  refuseProtoIn(body, "");
  const alerts = body["alerts"];
  for (const name of ["groupLabels", "commonLabels", "commonAnnotations"]) refuseProtoIn(body[name], name);
  if (!Array.isArray(alerts)) return;
  for (const [i, alert] of alerts.entries()) {
    if (!isMap(alert)) continue;
    refuseProtoIn(alert, `alerts[${i}]`);
    refuseProtoIn(alert["labels"], `alerts[${i}].labels`);
    refuseProtoIn(alert["annotations"], `alerts[${i}].annotations`);
  }
}

function refuseProtoIn(map: unknown, path: string): void {
  if (isMap(map) && Object.hasOwn(map, "__proto__")) {
    throw invalid(path === "" ? "__proto__" : `${path}.__proto__`, "is not a name that is taken");
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function faultOf(issue: z.core.$ZodIssue, parsed: unknown): StewardError {
  const path = issue.path.reduce<string>(
    (text, step) =>
      typeof step === "number" ? `${text}[${step}]` : text === "" ? String(step) : `${text}.${String(step)}`,
    "",
  );
  if (issue.code === "invalid_type") {
    const found = issue.path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown>)[step], parsed);
    return invalid(path, found === undefined ? "is missing" : `must be ${issue.expected}`);
  }
  if (issue.code === "invalid_value")
    return invalid(path, `must be ${issue.values.map((v) => `"${String(v)}"`).join(" or ")}`);
  if (issue.code === "too_small") return invalid(path, "must not be empty");
  if (issue.code === "invalid_format") return invalid(path, "must be a time as RFC 3339 writes it");
  return invalid(path, "is not as Alertmanager's webhook of version 4 has it");
}

function invalid(path: string, what: string): StewardError {
  return new StewardError("invalid", path === "" ? `the body ${what}` : `${path} ${what}`, path === "" ? {} : { path });
}

/**
 * A hash of the delivery behind the time its newest alert began. The time keeps ids of one moment together, so that the index of a storm grows at
 * its end and not in a page for each delivery.
 */
function deliveryId(groupKey: string, receiver: string, alerts: readonly WebhookAlert[]): string {
  const each = alerts.map(({ fingerprint, startsAt, status }) => `${fingerprint} ${startsAt} ${status}`).sort();
  const newest = alerts.reduce((latest, { startsAt }) => Math.max(latest, Date.parse(startsAt)), 0);
  return (
    newest.toString(36).padStart(10, "0") +
    hash("sha256", JSON.stringify([groupKey, receiver, each]), "hex").slice(0, 40)
  );
}

/** Cuts to `max` characters; two texts that differ only behind the cut stay two. */
function short(text: string, max: number): string {
  if (text.length <= max) return text;
  const mark = `…${hash("sha256", text, "hex").slice(0, 8)}`;
  return text.slice(0, max - mark.length).toWellFormed() + mark;
}

/** How many texts are remembered, at the least, and how long one may be. */
const remembered = 4_000;
const longestRemembered = 600;

/** Remembers what `fn` made of the newest few thousand short texts, by name and then by text: two texts need not be put together to be found. */
function remember(fn: (name: string, value: string) => string): (name: string, value: string) => string {
  let young = new Map<string, Map<string, string>>();
  let old: typeof young = new Map();
  let size = 0;
  return (name, value) => {
    if (value.length > longestRemembered) return fn(name, value);
    const known = young.get(name)?.get(value);
    if (known !== undefined) return known;
    const made = old.get(name)?.get(value) ?? fn(name, value);
    const ofName = young.get(name);
    if (ofName === undefined) young.set(name, new Map([[value, made]]));
    else ofName.set(value, made);
    if (++size > remembered) {
      old = young;
      young = new Map();
      size = 0;
    }
    return made;
  };
}
