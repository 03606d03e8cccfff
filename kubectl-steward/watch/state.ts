import type { ApprovalAnswer } from "../../shared/api/approval.ts";
import type { IncidentAnswer } from "../../shared/api/incident.ts";

/** What `watch` shows and what its keys mean: values in, values out. */

export type Item =
  | { readonly kind: "approval"; readonly id: string; readonly approval: ApprovalAnswer }
  | { readonly kind: "incident"; readonly id: string; readonly incident: IncidentAnswer };

export type Mode =
  | { readonly kind: "browse" }
  /** Asks once more before a change is approved or undone. */
  | { readonly kind: "confirm"; readonly wish: "approve" | "undo"; readonly code: string }
  /** Takes the reason of a denial, key by key. */
  | { readonly kind: "reason"; readonly code: string; readonly text: string };

export interface WatchState {
  readonly items: readonly Item[];
  /** Id of the item whose detail is shown. */
  readonly selected: string | null;
  readonly mode: Mode;
  /** The last thing that happened, in words. */
  readonly message: string;
  readonly bad: boolean;
}

/** What a key asks of the bot. */
export type Effect =
  | { readonly kind: "approve" | "undo" | "renew"; readonly code: string }
  | { readonly kind: "deny"; readonly code: string; readonly reason: string }
  | { readonly kind: "quit" };

export const start: WatchState = { items: [], selected: null, mode: { kind: "browse" }, message: "", bad: false };

/** So many that came to their end stay in sight. */
const mostEnded = 20;

/** Takes in what is there now or has changed. */
export function learn(state: WatchState, news: readonly Item[]): WatchState {
  const byId = new Map(state.items.map((item) => [item.id, item]));
  for (const item of news) byId.set(item.id, item);
  const sorted = [...byId.values()]
    .filter((item) => item.kind === "approval" || item.incident.state === "open")
    .sort(byUrgency);
  const ended = sorted.filter((item) => rank(item) === ranks.ended).slice(mostEnded);
  const items = sorted.filter((item) => !ended.includes(item));
  const selected = items.some(({ id }) => id === state.selected) ? state.selected : (items[0]?.id ?? null);
  const mode = stillMeant(state.mode, items) ? state.mode : ({ kind: "browse" } as const);
  const taken = mode === state.mode ? {} : { message: "It was decided meanwhile.", bad: true };
  return { ...state, items, selected, mode, ...taken };
}

export function tell(state: WatchState, message: string, bad = false): WatchState {
  return { ...state, message, bad };
}

/** What a key does: in the mode it is pressed in, to the item that is selected. */
export function press(state: WatchState, key: string): { state: WatchState; effect: Effect | null } {
  if (key === "\u0003") return { state, effect: { kind: "quit" } };
  switch (state.mode.kind) {
    case "browse":
      return browse(state, key);
    case "confirm": {
      const { wish, code } = state.mode;
      if (key === "y" || key === "Y") return { state: browsing(state, ""), effect: { kind: wish, code } };
      return { state: browsing(state, "Nothing was done."), effect: null };
    }
    case "reason":
      return typeReason(state, state.mode, key);
  }
}

function browse(state: WatchState, key: string): { state: WatchState; effect: Effect | null } {
  const approval = selectedApproval(state);
  const only = (next: WatchState) => ({ state: next, effect: null });
  switch (key) {
    case "q":
      return { state, effect: { kind: "quit" } };
    case "j":
    case "\u001b[B":
      return only(move(state, 1));
    case "k":
    case "\u001b[A":
      return only(move(state, -1));
    case "a":
      if (approval?.state !== "pending") return only(tell(state, "Only a pending approval can be approved.", true));
      return only({ ...state, mode: { kind: "confirm", wish: "approve", code: approval.code }, message: "" });
    case "d":
      if (approval?.state !== "pending") return only(tell(state, "Only a pending approval can be denied.", true));
      return only({ ...state, mode: { kind: "reason", code: approval.code, text: "" }, message: "" });
    case "u":
      if (approval === null || !approval.reversible) return only(tell(state, "This cannot be undone.", true));
      return only({ ...state, mode: { kind: "confirm", wish: "undo", code: approval.code }, message: "" });
    case "r":
      if (approval === null || !["expired", "stale"].includes(approval.state)) {
        return only(tell(state, "Only what expired or went stale is prepared afresh.", true));
      }
      return { state, effect: { kind: "renew", code: approval.code } };
    default:
      return only(state);
  }
}

function typeReason(
  state: WatchState,
  mode: Extract<Mode, { kind: "reason" }>,
  key: string,
): { state: WatchState; effect: Effect | null } {
  if (key === "\r" || key === "\n") {
    return { state: browsing(state, ""), effect: { kind: "deny", code: mode.code, reason: mode.text.trim() } };
  }
  if (key === "\u001b") return { state: browsing(state, "Nothing was done."), effect: null };
  const text =
    key === "\u007f" || key === "\b"
      ? [...mode.text].slice(0, -1).join("")
      : key >= " " && !key.startsWith("\u001b")
        ? mode.text + key
        : mode.text;
  return { state: { ...state, mode: { ...mode, text: text.slice(0, 200) } }, effect: null };
}

export function selectedItem({ items, selected }: WatchState): Item | null {
  return items.find(({ id }) => id === selected) ?? null;
}

function selectedApproval(state: WatchState): ApprovalAnswer | null {
  const item = selectedItem(state);
  return item?.kind === "approval" ? item.approval : null;
}

function move(state: WatchState, by: number): WatchState {
  const at = state.items.findIndex(({ id }) => id === state.selected);
  const next = state.items[Math.max(0, Math.min(state.items.length - 1, at + by))];
  return { ...state, selected: next?.id ?? null, message: "" };
}

function browsing(state: WatchState, message: string): WatchState {
  return { ...state, mode: { kind: "browse" }, message, bad: false };
}

/** A question about an approval that somebody else has answered is not asked any longer. */
function stillMeant(mode: Mode, items: readonly Item[]): boolean {
  if (mode.kind === "browse") return true;
  const item = items.find((one) => one.kind === "approval" && one.approval.code === mode.code);
  if (item?.kind !== "approval") return false;
  return mode.kind === "confirm" && mode.wish === "undo" ? true : item.approval.state === "pending";
}

/** What waits for a person first, then what runs, then what fires, then what has ended. */
const ranks = { waiting: 0, running: 1, firing: 2, ended: 3 } as const;

function rank(item: Item): number {
  if (item.kind === "incident") return ranks.firing;
  switch (item.approval.state) {
    case "pending":
    case "needs_human":
      return ranks.waiting;
    case "approved":
    case "executing":
    case "verifying":
    case "unknown":
      return ranks.running;
    default:
      return ranks.ended;
  }
}

function byUrgency(a: Item, b: Item): number {
  return rank(a) - rank(b) || severity(a) - severity(b) || time(b).localeCompare(time(a)) || a.id.localeCompare(b.id);
}

function severity(item: Item): number {
  return item.kind === "incident" && item.incident.severity === "critical" ? 0 : 1;
}

function time(item: Item): string {
  return item.kind === "incident" ? item.incident.startedAt : item.approval.createdAt;
}
