import type { ApprovalAnswer } from "../../shared/api/approval.ts";
import type { CardEvent } from "../../shared/api/card.ts";
import type { Api } from "../api.ts";
import { cleanDeep } from "../clean-deep.ts";
import { type Context, command } from "../command.ts";
import { type ExitCode, exit, Failure } from "../exit.ts";
import { follow } from "../follow.ts";
import type { View } from "../output.ts";
import { render } from "../watch/screen.ts";
import { type Effect, type Item, learn, press, start, tell, type WatchState } from "../watch/state.ts";

export const watch = command({
  name: "watch",
  args: [],
  summary: "Watch incidents and approvals arrive, and decide with a key",
  about: "Where the output is no terminal, prints one line for each change of a card.",
  options: {},
  async run(_words, _options, context) {
    const { terminal, out } = context;
    const live = terminal.interactive && out.format === "table";
    return live ? watchScreen(context) : watchLines(context);
  },
});

const changeView: View<CardEvent> = {
  kind: "CardEvent",
  name: ({ cardId }) => `card/${cardId}`,
  columns: [
    { header: "CARD", value: ({ cardId }) => cardId },
    { header: "VERSION", value: ({ version }) => String(version) },
    { header: "KIND", value: ({ kind }) => kind },
    { header: "STATE", value: ({ state }) => state },
    { header: "INCIDENT", value: ({ incidentId }) => incidentId ?? "" },
    { header: "APPROVAL", value: ({ approvalId }) => approvalId ?? "" },
  ],
};

async function watchLines({ api, out, signal }: Context): Promise<ExitCode> {
  const lost = (reason: string) => out.say(`${reason}; trying again`);
  const opened = async () => out.say("Watching. Ctrl-C ends it.");
  for await (const change of follow(await api(), signal, { opened, lost })) out.row(changeView, change);
  return exit.done;
}

async function watchScreen(context: Context): Promise<ExitCode> {
  const { terminal, out, now, global } = context;
  const api = await context.api();
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, over.signal]);
  let state: WatchState = start;
  let failure: unknown = null;

  const draw = () => {
    if (!signal.aborted) screen.draw(render(state, api.where, screen.size(), now(), out.paint));
  };
  const become = (next: WatchState) => {
    state = next;
    draw();
  };
  const screen = terminal.screen((key) => {
    const { state: next, effect } = press(state, key);
    become(next);
    if (effect?.kind === "quit") over.abort();
    else if (effect !== null) void carryOut(effect);
  }, draw);
  const ticking = setInterval(draw, 1_000);

  async function carryOut(effect: Exclude<Effect, { kind: "quit" }>): Promise<void> {
    try {
      const { approval, words } = await act(api, effect);
      const { id } = approval;
      become(tell(learn(state, cleanDeep([{ kind: "approval", id, approval } as const])), words));
    } catch (error) {
      become(tell(state, error instanceof Error ? error.message : String(error), true));
    }
  }

  try {
    become(tell(state, "Connecting…"));
    const mine = (items: Item[]) =>
      items.filter((item) => global.namespace === undefined || namespaceOf(item) === global.namespace);
    const opened = async () => become(tell(learn(state, mine(await everything(api))), ""));
    const lost = (reason: string) => become(tell(state, `${reason}; trying again`, true));
    for await (const change of follow(api, signal, { opened, lost }))
      become(learn(state, mine(await about(api, change))));
  } catch (error) {
    failure = error;
  } finally {
    clearInterval(ticking);
    screen.close();
  }
  if (failure !== null) throw failure;
  return exit.done;
}

async function act(
  api: Api,
  { kind, code, ...more }: Exclude<Effect, { kind: "quit" }>,
): Promise<{ approval: ApprovalAnswer; words: string }> {
  switch (kind) {
    case "approve":
      return { approval: await api.decide(code, "approve"), words: `${code} approved.` };
    case "deny": {
      const reason = "reason" in more && more.reason !== "" ? more.reason : undefined;
      return { approval: await api.decide(code, "deny", reason), words: `${code} denied.` };
    }
    case "undo":
    case "renew": {
      const approval = await api.again(code, kind);
      return { approval, words: `${approval.code} waits for approval.` };
    }
  }
}

/** What is there when the watching begins. */
async function everything(api: Api): Promise<Item[]> {
  const [incidents, ...approvals] = await Promise.all([
    api.incidents({ state: "open" }, 200),
    ...["pending", "approved", "executing", "verifying", "unknown", "needs_human"].map((state) =>
      api.approvals({ state }, 200),
    ),
  ]);
  return cleanDeep([
    ...approvals.flat().map((approval): Item => ({ kind: "approval", id: approval.id, approval })),
    ...incidents.map((incident): Item => ({ kind: "incident", id: incident.id, incident })),
  ]);
}

/** What a changed card is about, as it is now. Its proposals change with an incident's card, too. */
async function about(api: Api, { incidentId, approvalId }: CardEvent): Promise<Item[]> {
  const items: Item[] = [];
  const add = async (code: string) => {
    const approval = await api.approval(code);
    items.push({ kind: "approval", id: approval.id, approval });
  };
  try {
    if (approvalId !== null) await add(approvalId);
    if (incidentId !== null) {
      const incident = await api.incident(incidentId);
      items.push({ kind: "incident", id: incident.id, incident });
      for (const code of incident.approvals) await add(code);
    }
  } catch (error) {
    // Retention may have taken it since.
    if (!(error instanceof Failure) || error.code !== exit.notFound) throw error;
  }
  return cleanDeep(items);
}

function namespaceOf(item: Item): string | null {
  return item.kind === "incident" ? item.incident.namespace : item.approval.namespace;
}
