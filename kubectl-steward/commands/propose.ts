import { command } from "../command.ts";
import { exit } from "../exit.ts";
import { report, waiting } from "./approvals.ts";

export const propose = command({
  name: "propose",
  args: ["KUBECTL..."],
  summary: "Ask for a change, as a kubectl command line",
  about: "Nothing runs: the line is read, dry-run and becomes an approval. What is not fully understood is refused.",
  examples: [
    "kubectl steward propose scale deployment/web --replicas=3 -n shop",
    "kubectl steward propose 'kubectl rollout restart deploy/checkout -n payment'",
  ],
  options: {},
  verbatim: true,
  async run(words, _options, context) {
    const line = words.join(" ").trim();
    const kubectl = /^kubectl\s/.test(line) ? line : `kubectl ${line}`;
    const approval = await (await context.api()).propose({ kubectl, namespace: await context.namespace() });
    report(context, waiting(approval));
    return approval.state === "refused" ? exit.notAllowed : exit.done;
  },
});
