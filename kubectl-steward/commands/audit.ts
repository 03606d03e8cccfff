import { createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { AuditVerdict } from "../../shared/api/audit.ts";
import { type Context, command } from "../command.ts";
import { type ExitCode, exit, Failure } from "../exit.ts";
import { readLimit } from "./list.ts";
import { auditView, changeView } from "./views.ts";

const since = {
  type: "string",
  value: "TIME",
  describe: "From then on: 24h, 2026-11-22, 2026-11-22T08:00:00Z",
} as const;
const until = { type: "string", value: "TIME", describe: "Before then, in the same forms" } as const;
const limit = { type: "string", value: "N", describe: "At most so many (500)" } as const;

export const audit = command({
  name: "audit",
  args: [],
  summary: "Who did what: the audit trail, newest first",
  examples: ["kubectl steward audit --since 24h -o json", "kubectl steward audit --user alice --status FAILED"],
  options: {
    user: { type: "string", value: "NAME", describe: "Done by this user" },
    action: { type: "string", value: "ACTION", describe: "This action, as approve_restart" },
    target: { type: "string", value: "TARGET", describe: "This target, as payment/deployment/checkout" },
    platform: {
      type: "string",
      choices: ["dingtalk", "feishu", "slack", "terminal", "api", "system"],
      describe: "Done from there",
    },
    status: { type: "string", choices: ["SUCCESS", "FAILED", "PENDING"], describe: "With this outcome" },
    incident: { type: "string", value: "ID", describe: "About this incident" },
    approval: { type: "string", value: "CODE", describe: "About this approval" },
    since,
    until,
    limit,
  },
  async run(_words, { approval, limit, ...filter }, context) {
    const most = readLimit(limit);
    const records = await (await context.api()).audit({ ...filter, proposal: approval }, most);
    context.out.list(auditView, records);
    if (records.length === 0) context.out.say("No audit records found.");
    if (records.length === most) context.out.say(`Only the newest ${most} are shown: --limit takes more.`);
    return exit.done;
  },
});

export const auditVerify = command({
  name: "audit verify",
  args: [],
  summary: "Check that no audit record was changed, removed or put in between",
  about:
    "Asks the bot; with --file it checks an export by itself, without any bot, against checkpoints that were kept elsewhere.",
  examples: [
    "kubectl steward audit verify",
    "kubectl steward audit verify --file export.ndjson --checkpoint checkpoints.ndjson",
  ],
  options: {
    file: { type: "string", value: "FILE", describe: "An export to check instead of asking the bot" },
    checkpoint: { type: "string", value: "FILE", describe: "Checkpoints to hold it against, one JSON object a line" },
  },
  async run(_words, { file, checkpoint }, context) {
    if (file === undefined && checkpoint !== undefined) throw new Failure(exit.usage, "--checkpoint needs --file");
    const verdict = file === undefined ? await (await context.api()).auditVerify() : await verifyFile(file, checkpoint);
    return showVerdict(context, verdict);
  },
});

async function verifyFile(file: string, checkpoint: string | undefined): Promise<AuditVerdict> {
  const [{ verifyExport }, { Checkpoint }] = await Promise.all([
    import("../../shared/audit-export.ts"),
    import("../../shared/checkpoint.ts"),
  ]);
  const checkpoints =
    checkpoint === undefined
      ? []
      : (await readText(checkpoint)).split("\n").flatMap((line, i) => {
          if (line.trim() === "") return [];
          const parsed = Checkpoint.safeParse(parseJson(line));
          if (!parsed.success) throw new Failure(exit.usage, `${checkpoint}:${i + 1} is not a checkpoint`);
          return [parsed.data];
        });
  await readText(file, 1);
  return verifyExport(
    createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY }),
    checkpoints,
  );
}

/** The text of a file that the user named; the first bytes only, where it is to be known that it can be read. */
async function readText(path: string, bytes?: number): Promise<string> {
  try {
    if (bytes === undefined) return await readFile(path, "utf8");
    await (await open(path)).close();
    return "";
  } catch (error) {
    throw new Failure(exit.usage, `${path} cannot be read: ${error instanceof Error ? error.message : "unknown"}`);
  }
}

function showVerdict({ out }: Context, verdict: AuditVerdict): ExitCode {
  out.answer("AuditVerdict", verdict, (answer, paint) => [
    answer.ok
      ? `${paint("good", "✔")} ${answer.records} records, none changed, none missing; head ${answer.head}`
      : `${paint("bad", "✘")} broken at record ${answer.brokenAt}: ${answer.reason}`,
  ]);
  return verdict.ok ? exit.done : exit.failed;
}

export const auditExport = command({
  name: "audit export",
  args: ["[FILE]"],
  summary: "Write the audit trail, or all that is known of one incident, as NDJSON",
  options: {
    since,
    until,
    incident: { type: "string", value: "ID", describe: "Everything about this incident, as one bundle" },
  },
  async run([file], filter, context) {
    const lines = (await context.api()).auditExport(filter);
    if (file === undefined) {
      for await (const line of lines) context.out.line(line);
      return exit.done;
    }
    const target = await open(file, "wx", 0o600).catch((error: unknown) => {
      throw new Failure(exit.usage, `${file} cannot be written: ${error instanceof Error ? error.message : "unknown"}`);
    });
    let count = 0;
    try {
      for await (const line of lines) {
        await target.write(`${line}\n`);
        count++;
      }
    } finally {
      await target.close();
    }
    context.out.say(`${count} lines written to ${file}.`);
    return exit.done;
  },
});

export const changes = command({
  name: "changes",
  args: [],
  summary: "What was changed, by whom or which rule, approved by whom, with what outcome",
  examples: ["kubectl steward changes --since 7d"],
  options: { since, limit },
  async run(_words, { since = "7d", limit }, context) {
    const most = readLimit(limit);
    const items = await (await context.api()).changes({ since, namespace: context.global.namespace }, most);
    context.out.list(changeView, items);
    if (items.length === 0) context.out.say(`Nothing was changed since ${since}.`);
    return exit.done;
  },
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
