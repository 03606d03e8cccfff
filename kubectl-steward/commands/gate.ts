import type { SwitchAnswer } from "../../shared/api/gate.ts";
import { type Context, command } from "../command.ts";
import { exit } from "../exit.ts";
import { until } from "./views.ts";

export const gate = command({
  name: "gate",
  args: ["KIND/NAME"],
  summary: "Explain what the safety gate says of an object now",
  about: "The first answer is for a change that a person approves, the second for an automatic fix.",
  examples: ["kubectl steward gate deploy/checkout -n payment"],
  options: {},
  async run([target = ""], _options, context) {
    const answer = await (await context.api()).gate(target, await context.namespace());
    context.out.answer(
      "Gate",
      answer,
      ({ allowed, reasons, automatic, used, limit, nextAt, namespace, target }, paint) => [
        `${paint("strong", `${namespace}/${target}`)}`,
        `  ${allowed ? paint("good", "✔ a person may approve changes") : paint("bad", "✘ no change, not even with approval")}`,
        ...reasons.map(({ text }) => `      ${text}`),
        `  ${allowed && automatic.length === 0 ? paint("good", "✔ a rule may fix it") : paint("warning", "✘ no automatic fix")}`,
        ...automatic.map(({ text }) => `      ${text}`),
        `  ${used} of ${limit} automatic fixes used in the last hour${nextAt === null ? "" : `, the next is free ${until(nextAt, context.now())}`}`,
      ],
    );
    return exit.done;
  },
});

export const pause = command({
  name: "pause",
  args: [],
  summary: "Stop new changes: the stop switch",
  about: "Running ones finish and are verified; alerts are still recorded. Without -n it holds for the whole cluster.",
  examples: ["kubectl steward pause --for 6h -n payment --reason 'release window'"],
  options: {
    for: { type: "string", value: "TIME", describe: "How long, as 6h; without it until somebody resumes" },
    "autofix-only": { type: "boolean", describe: "Stop automatic fixes only; people may still approve" },
    reason: { type: "string", value: "TEXT", describe: "Why: people will ask (required)" },
  },
  async run(_words, options, context) {
    const { for: lasts, reason = "" } = options;
    const { namespace } = context.global;
    const answer = await (await context.api()).pause({
      ...(lasts === undefined ? {} : { for: lasts }),
      ...(namespace === undefined ? {} : { namespace }),
      autofixOnly: options["autofix-only"],
      reason,
    });
    showSwitch(context, answer);
    return exit.done;
  },
});

export const resume = command({
  name: "resume",
  args: [],
  summary: "Allow changes again",
  about: "Without -n it ends every pause, closes the breaker and gives rules that failed their right back.",
  options: {},
  async run(_words, _options, context) {
    showSwitch(context, await (await context.api()).resume(context.global.namespace));
    return exit.done;
  },
});

function showSwitch({ out, now }: Context, answer: SwitchAnswer): void {
  out.answer("Switch", answer, ({ pauses }, paint) =>
    pauses.length === 0
      ? [paint("good", "Changes are allowed.")]
      : pauses.map(
          ({ namespace, autofixOnly, reason, by, until: end }) =>
            `${paint("warning", "Paused")}: ${autofixOnly ? "automatic fixes" : "all changes"} in ${namespace ?? "the whole cluster"} by ${by}, ends ${end === null ? "when somebody resumes" : until(end, now())}: ${reason}`,
        ),
  );
}
