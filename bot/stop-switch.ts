import type { Actor } from "../shared/approval.ts";
import { systemActor } from "../shared/approval.ts";
import { formatDuration } from "../shared/duration.ts";
import { StewardError } from "../shared/errors.ts";
import { newId } from "../shared/ids.ts";
import type { Locale } from "../shared/locale.ts";
import { redactText } from "../shared/redact.ts";
import { cleanLine } from "../shared/text.ts";
import type { Notify } from "./notify.ts";
import type { Safety } from "./safety.ts";
import type { Pause, Store } from "./store.ts";

interface PauseWish {
  /** Milliseconds; null: until somebody resumes. */
  for: number | null;
  /** null: the whole cluster. */
  namespace: string | null;
  autofixOnly: boolean;
  reason: string;
}

/** The state of the switch. */
interface SwitchState {
  pauses: readonly Pause[];
  /** Since when automatic runs are off because too many failed; null while they are not. */
  breakerOpenSince: Date | null;
}

/** The stop switch (SPEC 9): new writes stop, running ones finish and are verified. */
export interface StopSwitch {
  /** Throws `forbidden` for anybody but an admin, `invalid` without a reason or for a duration that is none. */
  pause(wish: PauseWish, actor: Actor): SwitchState;
  /**
   * Ends the pauses of a namespace, or all of them; without a namespace it also closes the breaker and gives downgraded
   * rules their right back. Throws `forbidden`.
   */
  resume(namespace: string | null, actor: Actor): SwitchState;
  /** The pause that holds for a namespace now. */
  paused(namespace: string, automatic: boolean): Pause | null;
  state(): SwitchState;
  /** Ends what has run out, and says so. */
  endDue(): void;
}

interface Deps {
  store: Pick<Store, "transact" | "pauses" | "users" | "audit">;
  safety: Pick<Safety, "pausedBy" | "breakerOpenSince" | "reset">;
  notify: Notify;
  locale: Locale;
}

const longest = 365 * 86_400_000;

const words = {
  paused: { en: "Steward is paused", "zh-CN": "Steward 已暂停" },
  resumed: { en: "Steward resumes", "zh-CN": "Steward 已恢复" },
  ended: { en: "The pause has ended", "zh-CN": "暂停已到期结束" },
} as const satisfies Record<string, Record<Locale, string>>;

export function createStopSwitch({ store, safety, notify, locale }: Deps): StopSwitch {
  return {
    pause(wish, actor) {
      const reason = redactText(cleanLine(wish.reason));
      if (reason === "") throw new StewardError("invalid", "a pause needs a reason", { path: "reason" });
      if (wish.for !== null && !(wish.for > 0 && wish.for <= longest)) {
        throw new StewardError("invalid", "a pause lasts more than nothing and at most a year", { path: "for" });
      }
      return store.transact((now) => {
        refuseOthers(actor);
        const pause: Pause = {
          id: newId(),
          namespace: wish.namespace,
          autofixOnly: wish.autofixOnly,
          reason,
          by: actor.username,
          startedAt: now,
          until: wish.for === null ? null : new Date(now.getTime() + wish.for),
        };
        store.pauses.insert(pause);
        record("pause", pause, actor);
        notify.notice({
          title: words.paused[locale],
          lines: [describe(pause), pause.reason],
          dedupe: `pause:${pause.id}`,
        });
        return stateAt(now);
      });
    },

    resume: (namespace, actor) =>
      store.transact((now) => {
        refuseOthers(actor);
        const ended = store.pauses.open().filter((pause) => namespace === null || pause.namespace === namespace);
        for (const pause of ended) {
          store.pauses.end(pause.id, actor.username);
          record("resume", pause, actor);
        }
        const reset = namespace === null && safety.reset(now);
        if (reset && ended.length === 0) record("resume", null, actor);
        if (ended.length > 0 || reset) {
          notify.notice({
            title: words.resumed[locale],
            lines: [actor.username, ...ended.map(describe)],
            dedupe: `resume:${newId()}`,
          });
        }
        return stateAt(now);
      }),

    paused: (namespace, automatic) => store.transact((now) => safety.pausedBy(namespace, automatic, now)),
    state: () => store.transact(stateAt),

    endDue() {
      store.transact((now) => {
        for (const pause of store.pauses.open()) {
          if (pause.until === null || pause.until > now) continue;
          store.pauses.end(pause.id, systemActor.username);
          record("resume", pause, systemActor);
          notify.notice({
            title: words.ended[locale],
            lines: [describe(pause), pause.reason],
            dedupe: `pause-ended:${pause.id}`,
          });
        }
      });
    },
  };

  function stateAt(now: Date): SwitchState {
    const pauses = store.pauses.open().filter(({ until }) => until === null || until > now);
    return { pauses, breakerOpenSince: safety.breakerOpenSince(now) };
  }

  /** By the role the user has now, not the one a session was opened with. */
  function refuseOthers(actor: Actor): void {
    const role = actor.userId === null ? null : (store.users.get(actor.userId)?.role ?? null);
    if (role !== "admin") throw new StewardError("forbidden", "only an admin may pause and resume");
  }

  function record(verb: "pause" | "resume", pause: Pause | null, actor: Actor): void {
    store.audit.append({
      userId: actor.userId,
      intent: pause?.reason ?? null,
      actionType: verb,
      targetResource: pause?.namespace ?? null,
      commandSnapshot: null,
      status: "SUCCESS",
      clientIp: actor.clientIp,
      platform: actor.platform,
      incidentId: null,
      proposalId: null,
      detail: {
        by: actor.username,
        autofixOnly: pause?.autofixOnly ?? false,
        until: pause?.until?.toISOString() ?? null,
      },
    });
  }

  function describe({ namespace, autofixOnly, startedAt, until, by }: Pause): string {
    const where = namespace ?? { en: "the whole cluster", "zh-CN": "整个集群" }[locale];
    const what = autofixOnly
      ? { en: "automatic runs only", "zh-CN": "仅自动执行" }[locale]
      : { en: "all changes", "zh-CN": "所有变更" }[locale];
    const length = until === null ? "" : ` (${formatDuration(until.getTime() - startedAt.getTime())})`;
    return `${where}: ${what}${length} — ${by}`;
  }
}
