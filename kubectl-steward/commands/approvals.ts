import type { ApprovalAnswer } from "../../shared/api/approval.ts";
import { type Context, command } from "../command.ts";
import { type ExitCode, exit } from "../exit.ts";
import { pageOptions, showList } from "./list.ts";
import { approvalView } from "./views.ts";

export const approvals = command({
  name: "approvals",
  args: ["[CODE]"],
  summary: "List approvals, or show one with its diff",
  about: "Lists the pending ones unless --state says otherwise.",
  examples: [
    "kubectl steward approvals",
    "kubectl steward approvals A7F3",
    "kubectl steward approvals --state all --since 7d -o csv",
  ],
  options: {
    ...pageOptions,
    state: { type: "string", value: "STATE", describe: "Only in this state, or all" },
  },
  async run([code], { state = "pending", since, limit, watch }, context) {
    const api = await context.api();
    if (code !== undefined) {
      context.out.one(approvalView(context.now()), await api.approval(code));
      return exit.done;
    }
    const query = { state: state === "all" ? undefined : state, namespace: context.global.namespace, since };
    return showList(context, {
      nothing: state === "all" ? "No approvals found." : `No ${state} approvals found.`,
      view: approvalView,
      limit,
      fetch: (most) => api.approvals(query, most),
      watched: watch ? async ({ approvalId }) => (approvalId === null ? null : api.approval(approvalId)) : null,
      belongs: ({ namespace }) => context.global.namespace === undefined || namespace === context.global.namespace,
    });
  },
});

export const approve = command({
  name: "approve",
  args: ["CODE..."],
  summary: "Approve what a code names",
  about: "Runs exactly what was shown, once all approvals it needs are there.",
  options: {},
  run: (codes, _options, context) =>
    each(codes, context, async (code) => {
      const approval = await (await context.api()).decide(code, "approve");
      const missing =
        approval.requirement.approvals - approval.decisions.filter(({ verdict }) => verdict === "approve").length;
      const waits = approval.state === "pending" && missing > 0 ? `; ${missing} more must approve` : "";
      return { approval, words: `${approval.code} approved: ${approval.summary}${waits}` };
    }),
});

export const deny = command({
  name: "deny",
  args: ["CODE..."],
  summary: "Deny what a code names",
  options: { reason: { type: "string", value: "TEXT", describe: "Why: it is kept for next time" } },
  run: (codes, { reason }, context) =>
    each(codes, context, async (code) => {
      const approval = await (await context.api()).decide(code, "deny", reason);
      return { approval, words: `${approval.code} denied: ${approval.summary}` };
    }),
});

export const undo = command({
  name: "undo",
  args: ["CODE"],
  summary: "Ask for the way back of a change that ran",
  about: "Makes a new approval that restores the fields Steward wrote.",
  options: {},
  run: (codes, _options, context) => each(codes, context, (code) => again(code, "undo", context)),
});

export const renew = command({
  name: "renew",
  args: ["CODE"],
  summary: "Prepare an expired or stale approval afresh",
  options: {},
  run: (codes, _options, context) => each(codes, context, (code) => again(code, "renew", context)),
});

interface Done {
  approval: ApprovalAnswer;
  words: string;
}

async function again(code: string, how: "undo" | "renew", { api }: Context): Promise<Done> {
  return waiting(await (await api()).again(code, how));
}

/** A new approval, and how to answer it. */
export function waiting(approval: ApprovalAnswer): Done {
  const { code, state, summary, reason } = approval;
  if (state === "refused") return { approval, words: `${code} refused: ${summary}: ${reason ?? "its dry run failed"}` };
  return {
    approval,
    words: `${code} waits for approval: ${summary}\n  kubectl steward approvals ${code}\n  kubectl steward approve ${code}`,
  };
}

async function each(
  codes: readonly string[],
  context: Context,
  act: (code: string) => Promise<Done>,
): Promise<ExitCode> {
  for (const code of codes) report(context, await act(code));
  return exit.done;
}

/** Words for people, the approval itself for programs. */
export function report({ out, now }: Context, { approval, words }: Done): void {
  if (out.format === "table" || out.format === "wide") out.say(words);
  else out.one(approvalView(now()), approval);
}
