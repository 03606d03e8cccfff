import { z } from "zod";
import { formatDuration } from "../shared/duration.ts";
import type { Locale } from "../shared/locale.ts";
import type { Clock } from "./edges.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";

export interface Heartbeat {
  /** A Watchdog fires; called inside the transaction that keeps its delivery. */
  beat(now: Date): void;
  /** The Watchdog has resolved: Prometheus sends nothing any more. Called as `beat`. */
  end(now: Date): void;
  /** Says that Steward may be blind when no beat came for much longer than usual, and that it sees again when one did. */
  tick(): void;
}

interface Deps {
  store: Pick<Store, "meta" | "transact">;
  notify: Pick<Notify, "notice">;
  clock: Clock;
  locale: Locale;
}

const State = z.object({
  /** When the last beat came, and since when they come. */
  lastAt: z.iso.datetime(),
  /** The longest usual time between two beats, in ms; null until there were two. */
  gapMs: z.number().nullable(),
  /** When it was said that beats are missing; null while they come. */
  blindSince: z.iso.datetime().nullable(),
});
type State = z.infer<typeof State>;

const metaKey = "heartbeat";
/** Alertmanager repeats a group at its `repeat_interval`, which only experience tells; a beat is missing after twice the usual time. */
const patience = 2;
const leastMs = 15 * 60_000;
/** Until a second beat has come: Alertmanager's default `repeat_interval` of 4 h, and some. */
const unknownGapMs = 5 * 3_600_000;
/** Deliveries closer together than this are one beat sent twice. */
const sameBeatMs = 30_000;

/**
 * Takes the Watchdog alert as a heartbeat of everything before Steward: while it comes, Prometheus evaluates and Alertmanager delivers.
 * Nothing is said where no Watchdog was ever received.
 */
export function createHeartbeat({ store, notify, clock, locale }: Deps): Heartbeat {
  return { beat, end, tick };

  function beat(now: Date): void {
    const before = read();
    const passed = before === null ? null : now.getTime() - new Date(before.lastAt).getTime();
    if (passed !== null && passed < sameBeatMs) return;
    const wasBlind = before !== null && before.blindSince !== null;
    const gapMs = passed === null || wasBlind ? (before?.gapMs ?? null) : Math.max(passed, before?.gapMs ?? 0);
    write({ lastAt: now.toISOString(), gapMs, blindSince: null });
    if (wasBlind && passed !== null) say(before.lastAt, words[locale].back(formatDuration(passed)));
  }

  function tick(): void {
    const now = clock.now();
    const state = read();
    if (state === null || state.blindSince !== null) return;
    const silent = now.getTime() - new Date(state.lastAt).getTime();
    const allowed = state.gapMs === null ? unknownGapMs : Math.max(leastMs, state.gapMs * patience);
    if (silent < allowed) return;
    store.transact((at) => sayBlind(state, at));
  }

  function end(now: Date): void {
    const state = read();
    if (state !== null && state.blindSince === null) sayBlind(state, now);
  }

  function sayBlind(state: State, now: Date): void {
    write({ ...state, blindSince: now.toISOString() });
    const silent = now.getTime() - new Date(state.lastAt).getTime();
    say(state.lastAt, words[locale].blind(formatDuration(silent)));
  }

  /** One notice for each silence: that it began, and then, in its place, that it ended. */
  function say(lastAt: string, { title, lines }: { title: string; lines: readonly string[] }): void {
    notify.notice({ title, lines, urgent: true, dedupe: `heartbeat:${lastAt}` });
  }

  function read(): State | null {
    const text = store.meta.get(metaKey);
    return text === null ? null : State.parse(JSON.parse(text));
  }

  function write(state: State): void {
    store.meta.set(metaKey, JSON.stringify(state));
  }
}

const words: Readonly<
  Record<Locale, Record<"blind" | "back", (time: string) => { title: string; lines: readonly string[] }>>
> = {
  en: {
    blind: (time) => ({
      title: "Steward may be blind: the Watchdog alert has stopped",
      lines: [
        `Nothing was heard of it for ${time}. Prometheus or Alertmanager may be down, or may not reach Steward.`,
        "Until it is back, silence here does not mean that all is well. Look at Alertmanager yourself.",
      ],
    }),
    back: (time) => ({
      title: "Steward sees again: the Watchdog alert is back",
      lines: [`Nothing was heard of it for ${time}. Alerts of that time may be missing here.`],
    }),
  },
  "zh-CN": {
    blind: (time) => ({
      title: "Steward 可能已失明：Watchdog 告警中断",
      lines: [
        `已有 ${time} 未收到。Prometheus 或 Alertmanager 可能已停止，或无法访问 Steward。`,
        "在恢复之前，这里没有消息不代表一切正常，请直接查看 Alertmanager。",
      ],
    }),
    back: (time) => ({
      title: "Steward 已恢复：重新收到 Watchdog 告警",
      lines: [`此前有 ${time} 未收到，期间的告警可能缺失。`],
    }),
  },
};
