import type { Text } from "../../cards/card.ts";
import { foreign, joinText, own, say } from "../../cards/text.ts";
import { headlineOf } from "../../cards/views/headline.ts";
import { words as cardWords } from "../../cards/words/index.ts";
import { holdingStates } from "../../shared/approval.ts";
import type { Locale } from "../../shared/locale.ts";
import type { Times } from "../../shared/time.ts";
import type { LinkState } from "../edges.ts";
import type { Services } from "../http/services.ts";
import type { Store } from "../store.ts";
import { chatWords } from "./words.ts";

interface Facts {
  store: Pick<Store, "incidents" | "proposals">;
  gate: Pick<Services["gate"], "state">;
  links: () => readonly { name: string; link: LinkState }[];
  times: Times;
  locale: Locale;
}

const linesShown = 10;

/** Answers to "how do things stand?", from the store alone. */
export const overviews: Readonly<Record<"status" | "incidents" | "approvals", (facts: Facts) => Text>> = {
  status({ store, gate, links, times, locale }) {
    const { status } = chatWords[locale];
    const { pauses, breakerOpenSince } = gate.state();
    return lines([
      own(status.incidents(store.incidents.countOpen())),
      own(status.approvals(store.proposals.inState("pending").length)),
      own(status.running(store.proposals.inState(...holdingStates).length)),
      ...pauses
        .slice(0, 3)
        .map(({ by, reason, until }) =>
          status.pausedBy(
            foreign("person", by, 60),
            foreign("person", reason, 200),
            until === null ? null : times.full(until),
          ),
        ),
      ...(breakerOpenSince === null ? [] : [own(status.breaker)]),
      ...links().map(({ name, link }) => own(status.link(name, status.states[link.state]))),
    ]);
  },
  incidents({ store, locale }) {
    const words = cardWords[locale];
    const { items, next } = store.incidents.page({ limit: linesShown, cursor: null, since: null, state: "open" });
    if (items.length === 0) return own(chatWords[locale].noIncidents);
    return lines([
      ...items.map((incident) => say`• ${headlineOf(incident, { words })}`),
      ...(next === null ? [] : [own(words.seeRest("kubectl steward incidents"))]),
    ]);
  },
  approvals({ store, times, locale }) {
    const words = cardWords[locale];
    const pending = store.proposals.inState("pending");
    if (pending.length === 0) return own(chatWords[locale].noApprovals);
    return lines([
      ...pending
        .slice(0, linesShown)
        .map(
          ({ code, namespace, summary, expiresAt }) =>
            say`• ${own(code)} · ${foreign("cluster", namespace ?? "", 63)} · ${foreign("cluster", summary, 120)} · ${own(words.expires(times.full(expiresAt)))}`,
        ),
      ...(pending.length > linesShown ? [own(words.seeRest("kubectl steward approvals"))] : []),
    ]);
  },
};

/** Each on a line of its own. A line holds at most 40 spans, so long ones are shortened by the cards' own bounds. */
function lines(texts: readonly Text[]): Text {
  return joinText(texts, "\n").slice(0, 40);
}
