import type { IncomingHttpHeaders } from "node:http";
import type { WebhookBody } from "../../shared/alert.ts";
import { httpStatus, StewardError } from "../../shared/errors.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Redactor } from "../../shared/redact.ts";
import type { Clock, Log } from "../edges.ts";
import type { DeliveryOutcome } from "../metrics.ts";
import type { Notify } from "../notify.ts";
import type { Store } from "../store.ts";
import { type CredentialsConfig, createCredentials } from "./credentials.ts";
import { createDeliveryReader } from "./delivery.ts";

export interface Ingest {
  /**
   * Takes one delivery of Alertmanager. What it answers with 202 is on disk; everything else has left nothing but a count (SPEC 4, webhook).
   */
  accept(delivery: { headers: IncomingHttpHeaders; body: Buffer; remote: string }): Promise<IngestAnswer>;
  /**
   * Takes alerts that Steward read from Alertmanager itself, since no webhook had named them (SPEC 3, missed alerts). They take the same way from
   * here on. Throws `unavailable` when there is no room for them, `invalid`.
   */
  found(body: WebhookBody): Promise<void>;
  /** For a delivery that was cut off at the limit: tells people, once a day, since Alertmanager will not send it again. */
  tooLarge(delivery: { headers: IncomingHttpHeaders; remote: string }): void;
}

export interface IngestAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: unknown;
}

interface Deps {
  store: Pick<Store, "group" | "transact" | "receipts">;
  config: CredentialsConfig;
  queue: { isFull(): boolean; push(receipt: { id: string; groupKey: string }): boolean };
  /** Told of every delivery with a Watchdog in it, inside the transaction that keeps it. */
  heartbeat: { beat(now: Date): void; end(now: Date): void };
  redact: Redactor;
  notify: Pick<Notify, "notice">;
  clock: Clock;
  log: Log;
  metrics: { delivery(outcome: DeliveryOutcome, alerts: number): void };
  locale: Locale;
}

/** Seconds until a sender that found no room should come again. */
const retryAfter = "10";

export function createIngest(deps: Deps): Ingest {
  const { store, config, queue, heartbeat, notify, clock, log, metrics } = deps;
  const credentials = createCredentials(config);
  const readDelivery = createDeliveryReader(deps.redact);
  const say = words[deps.locale];
  const warnOfStranger = atMostEvery(10_000, clock, (count, remote) =>
    log.warn("deliveries without valid credentials", { count, remote }),
  );

  return { accept, found, tooLarge };

  async function accept({ headers, body, remote }: Parameters<Ingest["accept"]>[0]): Promise<IngestAnswer> {
    try {
      if (!credentials.in(headers, body, clock.now())) {
        warnOfStranger(remote);
        throw new StewardError("unauthenticated", "the webhook needs its credentials");
      }
      refuseForeignForm(headers);
      const delivery = readDelivery(body);
      if (queue.isFull()) throw new StewardError("unavailable", "the queue is full");
      const { repeat, queued } = await store.group((now) => {
        if (delivery.heartbeat === "firing") heartbeat.beat(now);
        if (delivery.heartbeat === "resolved") heartbeat.end(now);
        return store.receipts.take(delivery);
      });
      if (queued) queue.push(delivery);
      metrics.delivery(repeat ? "repeat" : "accepted", delivery.alerts);
      return { status: 202, headers: {}, body: { receipt: delivery.id, alerts: delivery.alerts } };
    } catch (error) {
      if (!(error instanceof StewardError) || !isRefusal(error.code)) throw error;
      if (error.code === "too_large") tooLarge({ headers, remote });
      else metrics.delivery(outcomes[error.code], 0);
      if (error.code === "unavailable") log.warn("a delivery found no room", { reason: error.message });
      return refusal(error, error.code);
    }
  }

  async function found(body: WebhookBody): Promise<void> {
    const delivery = { ...readDelivery(Buffer.from(JSON.stringify(body))), late: true };
    if (queue.isFull()) throw new StewardError("unavailable", "the queue is full");
    const { queued } = await store.group(() => store.receipts.take(delivery));
    if (queued) queue.push(delivery);
  }

  function tooLarge({ headers, remote }: Parameters<Ingest["tooLarge"]>[0]): void {
    metrics.delivery("too_large", 0);
    // A stranger must not be able to make Steward talk. A signature cannot be checked over a body that was cut off.
    if (!credentials.inHeaders(headers)) {
      warnOfStranger(remote);
      return;
    }
    try {
      store.transact((now) =>
        notify.notice({
          title: say.title,
          lines: say.lines,
          urgent: true,
          dedupe: `webhook-too-large:${now.toISOString().slice(0, 10)}`,
        }),
      );
    } catch (error) {
      log.error("nobody could be told of a delivery that was too large", { error: String(error) });
    }
  }
}

const outcomes = {
  unauthenticated: "unauthenticated",
  unsupported: "unsupported",
  too_large: "too_large",
  invalid: "invalid",
  unavailable: "unavailable",
} as const satisfies Partial<Record<StewardError["code"], DeliveryOutcome>>;
type Refusal = keyof typeof outcomes;

function isRefusal(code: StewardError["code"]): code is Refusal {
  return Object.hasOwn(outcomes, code);
}

function refusal({ message, path }: StewardError, code: Refusal): IngestAnswer {
  const headers: Partial<Record<Refusal, Record<string, string>>> = {
    unavailable: { "retry-after": retryAfter },
    unauthenticated: { "www-authenticate": 'Bearer realm="steward"' },
  };
  return {
    status: httpStatus[code],
    headers: headers[code] ?? {},
    body: { error: { code, message, ...(path === undefined ? {} : { path }) } },
  };
}

function refuseForeignForm(headers: IncomingHttpHeaders): void {
  if (headers["content-encoding"] !== undefined) throw new StewardError("unsupported", "the body must not be encoded");
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new StewardError("unsupported", "the body must be application/json");
}

/** Calls `fn` with how often it was wanted since the last call, at most once in `ms`. */
function atMostEvery<T>(ms: number, clock: Clock, fn: (count: number, value: T) => void): (value: T) => void {
  let last = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (value) => {
    count++;
    const now = clock.now().getTime();
    if (now - last < ms) return;
    fn(count, value);
    last = now;
    count = 0;
  };
}

const words: Readonly<Record<Locale, { title: string; lines: readonly string[] }>> = {
  en: {
    title: "An alert delivery was too large and is lost",
    lines: [
      "Alertmanager sent more than 4 MiB at once. It does not try again, so Steward does not know what was in it.",
      "Look at Alertmanager for what fires, and set max_alerts on the webhook or split the group.",
    ],
  },
  "zh-CN": {
    title: "一次告警推送过大，已丢失",
    lines: [
      "Alertmanager 单次推送超过 4 MiB，且不会重试，因此 Steward 不知道其中的内容。",
      "请到 Alertmanager 查看正在触发的告警，并为 webhook 设置 max_alerts 或拆分分组。",
    ],
  },
};
