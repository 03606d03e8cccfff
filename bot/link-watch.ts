import type { Locale } from "../shared/locale.ts";
import { createTimes } from "../shared/time.ts";
import type { Channel, Clock } from "./edges.ts";
import type { Notify } from "./notify.ts";
import type { Store } from "./store.ts";

interface Deps {
  store: Pick<Store, "transact">;
  channels: readonly Pick<Channel, "name" | "link">[];
  notify: Pick<Notify, "notice">;
  clock: Clock;
  locale: Locale;
  timezone: string;
}

/** A link that is replaced is away for seconds; one that is away for longer than this leaves people unheard, in ms. */
const deafAfter = 60_000;

const words = {
  deaf: {
    en: (name: string, since: string) => `${name} has been deaf since ${since}`,
    "zh-CN": (name: string, since: string) => `${name} 自 ${since} 起收不到消息`,
  },
  why: {
    en: (detail: string) => `What is pressed or written there does not reach Steward. ${detail}`,
    "zh-CN": (detail: string) => `在那里的点击和消息到不了 Steward。${detail}`,
  },
  back: {
    en: (name: string) => `${name} hears again`,
    "zh-CN": (name: string) => `${name} 已恢复接收`,
  },
  from: {
    en: (since: string, until: string) => `It was deaf from ${since} to ${until}. What waited for it goes out now.`,
    "zh-CN": (since: string, until: string) => `中断时间：${since} 至 ${until}。积压的消息现在发出。`,
  },
} as const satisfies Record<string, Record<Locale, (...parts: string[]) => string>>;

/** Says on the other channels when one has gone deaf, and when it hears again (SPEC 3). To be called every few seconds. */
export function createLinkWatch({ store, channels, notify, clock, locale, timezone }: Deps): { tick(): void } {
  const times = createTimes(timezone);
  /** Since when a channel that was spoken of has been deaf. */
  const told = new Map<string, Date>();

  return {
    tick() {
      const now = clock.now();
      for (const { name, link } of channels) {
        const { state, since, detail } = link();
        const spoken = told.get(name);
        if (state === "connected" && spoken !== undefined) {
          told.delete(name);
          say(name, spoken, words.back[locale](name), words.from[locale](times.full(spoken), times.full(now)), false);
        } else if ((state === "down" || state === "connecting") && spoken === undefined) {
          if (now.getTime() - since.getTime() < deafAfter) continue;
          told.set(name, since);
          say(name, since, words.deaf[locale](name, times.full(since)), words.why[locale](detail ?? ""), true);
        }
      }
    },
  };

  /** One card for one deafness: it begins urgent and ends with when it was over. */
  function say(name: string, since: Date, title: string, line: string, urgent: boolean): void {
    const dedupe = `deaf:${name}:${since.toISOString()}`;
    store.transact(() => notify.notice({ title, lines: [line], urgent, dedupe, except: name }));
  }
}
