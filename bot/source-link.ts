import { formatDuration } from "../shared/duration.ts";
import { StewardError } from "../shared/errors.ts";
import type { Locale } from "../shared/locale.ts";
import type { Clock, LinkState, Log } from "./edges.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";

/** A source outside that is looked at again and again, so that people know when Steward cannot see through it. */
export interface SourceLink {
  readonly name: string;
  state(): LinkState;
  /** Looks at once and then every minute, until the signal aborts; never throws for what the source does. */
  follow(signal: AbortSignal): Promise<void>;
}

interface Deps {
  /** As the configuration calls it. */
  name: "prometheus" | "alertmanager";
  /** One look; throws StewardError when the source cannot be asked. */
  look: (signal: AbortSignal) => Promise<void>;
  store: Pick<Store, "transact">;
  notify: Pick<Notify, "notice">;
  clock: Clock;
  log: Log;
  locale: Locale;
}

const everyMs = 60_000;
/** A source that could not be asked is asked sooner, and said to be down when it failed so often in a row. */
const againMs = 10_000;
const failuresUntilSaid = 3;

export function createSourceLink({ name, look, store, notify, clock, log, locale }: Deps): SourceLink {
  let link: LinkState = { state: "connecting", since: clock.now(), detail: null };
  let failures = 0;
  /** What its going down was announced under; null while nothing was said. */
  let said: string | null = null;

  return { name, state: () => link, follow };

  async function follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const down = await attempt(signal);
      if (signal.aborted) return;
      if (down === null) up();
      else failed(down);
      await clock.sleep(down === null ? everyMs : againMs, signal).catch(() => undefined);
    }
  }

  /** null when it could be asked, else why not. */
  async function attempt(signal: AbortSignal): Promise<string | null> {
    try {
      await look(signal);
      return null;
    } catch (error) {
      if (error instanceof StewardError) return error.message;
      if (!signal.aborted) log.error("a look at a source failed", { source: name, error: String(error) });
      return words[locale].own;
    }
  }

  function up(): void {
    failures = 0;
    if (link.state === "connected") return;
    const down = clock.now().getTime() - link.since.getTime();
    link = { state: "connected", since: clock.now(), detail: null };
    if (said === null) return;
    tell(said, words[locale].back(label[name], formatDuration(down)));
    said = null;
    log.info("a source can be asked again", { source: name });
  }

  function failed(why: string): void {
    failures++;
    if (link.state !== "down") link = { state: "down", since: clock.now(), detail: why };
    else link = { ...link, detail: why };
    if (failures !== failuresUntilSaid) return;
    said = `source:${name}:${link.since.toISOString()}`;
    tell(said, words[locale].down(label[name], why, missing[locale][name]));
    log.warn("a source cannot be asked", { source: name, reason: why });
  }

  /** One notice for each time it was away: that it went and then, in its place, that it is back. */
  function tell(dedupe: string, { title, lines }: { title: string; lines: readonly string[] }): void {
    try {
      store.transact(() => notify.notice({ title, lines, dedupe }));
    } catch (error) {
      log.error("nobody could be told of a source", { source: name, error: String(error) });
    }
  }
}

const label = { prometheus: "Prometheus", alertmanager: "Alertmanager" } as const;

/** What Steward cannot do meanwhile. */
const missing: Readonly<Record<Locale, Readonly<Record<Deps["name"], string>>>> = {
  en: {
    prometheus:
      "Metrics are missing from investigations, and an alert's own expression is not looked at when a fix is verified.",
    alertmanager:
      "Alerts that no webhook names are not found, and silences cannot be made. Webhooks are taken as ever.",
  },
  "zh-CN": {
    prometheus: "调查中将缺少指标，验证修复时也不会重新计算告警表达式。",
    alertmanager: "无法找出 webhook 漏报的告警，也无法创建静默；webhook 照常接收。",
  },
};

type Said = { title: string; lines: readonly string[] };

const words: Readonly<
  Record<
    Locale,
    {
      own: string;
      down: (source: string, why: string, without: string) => Said;
      back: (source: string, time: string) => Said;
    }
  >
> = {
  en: {
    own: "an error of Steward's own",
    down: (source, why, without) => ({
      title: `${source} cannot be reached`,
      lines: [`${why}.`, without, "Everything else goes on; it is tried again all the time."],
    }),
    back: (source, time) => ({
      title: `${source} can be reached again`,
      lines: [`It could not be asked for ${time}.`],
    }),
  },
  "zh-CN": {
    own: "Steward 自身的错误",
    down: (source, why, without) => ({
      title: `无法访问 ${source}`,
      lines: [`${why}。`, without, "其余功能照常，Steward 会持续重试。"],
    }),
    back: (source, time) => ({ title: `${source} 已恢复访问`, lines: [`此前有 ${time} 无法访问。`] }),
  },
};
