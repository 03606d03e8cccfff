/**
 * `npm run demo [-- --auto] [--locale en|zh-CN]`: the whole product on the sandbox cluster, told in three stories.
 * Exits 0 only when the whole loop closed. With a terminal it asks you to approve; otherwise, or with --auto, it plays both sides.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emitKeypressEvents } from "node:readline";
import { parseArgs } from "node:util";
import { Card } from "../../cards/card.ts";
import { kubectlHint, renderTerminal } from "../../cards/render/terminal.ts";
import { type KubeObject, kinds, listField, stringField } from "../../shared/kube.ts";
import { type Locale, locales } from "../../shared/locale.ts";
import { createClock } from "../adapters/clock.ts";
import { createCluster } from "../adapters/kubernetes.ts";
import { createLog } from "../adapters/log.ts";
import { createApp } from "../app.ts";
import { loadConfig } from "../config.ts";
import { demoOrders, demoWorld } from "../sandbox/demo-world.ts";
import { startSandbox } from "../sandbox/index.ts";
import { createScreen, type Screen } from "./screen.ts";
import { connectSteward } from "./steward.ts";
import { badRelease, outOfMemory, proof, restartNginx, type Stage } from "./stories.ts";
import { demoWords } from "./words.ts";

const webhookToken = "demo";
/** States of a card that are over in a moment. */
const passing: ReadonlySet<string> = new Set(["approved", "executing", "verifying"]);
/** The longest any single step of a story may take. */
const stepMs = 30_000;

const usage = `usage: npm run demo [-- --auto] [--locale ${locales.join("|")}] [--keep]`;
const values = options();
const { locale } = values;
const interactive = !values.auto && process.stdin.isTTY === true && process.stdout.isTTY === true;

process.exitCode = await run();

async function run(): Promise<number> {
  const words = demoWords[locale];
  const screen = createScreen({
    write: (text) => process.stdout.write(text),
    live: process.stdout.isTTY === true,
    colour: process.stdout.isTTY === true && !process.env["NO_COLOR"],
    size: () => ({ columns: process.stdout.columns ?? 96, rows: process.stdout.rows ?? 40 }),
    more: words.more,
  });
  const folder = mkdtempSync(join(tmpdir(), "steward-demo-"));
  const logFile = join(folder, "steward.log");
  const sandbox = await startSandbox({ world: demoWorld() });
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });

  let setupToken = "";
  const log = createLog({
    to: {
      write(line: string) {
        appendFileSync(logFile, line);
        setupToken ||= /"setupToken":"([^"]+)"/.exec(line)?.[1] ?? "";
      },
    },
  });
  const clock = createClock((error) => log.error("periodic work failed", { error }));
  const cluster = createCluster({ kubeconfig, context: null, identities: { read: null, act: null }, clock, log });
  const app = createApp(configure(folder, kubeconfig), { clock, log, env: {} });
  const ended = new AbortController();
  let closed = false;
  try {
    const { port } = await app.start();
    const steward = connectSteward(`http://127.0.0.1:${port}`, webhookToken);
    await steward.setup(setupToken, "admin", "demo-password");

    let followed: ReadonlySet<string> = new Set();
    const shown = steward.cards(({ cardId, incidentId, approvalId, state, card }) => {
      if (!followed.has(incidentId ?? "") && !followed.has(approvalId ?? "")) return;
      const text = renderTerminal(Card.parse(card), {
        width: screen.width,
        color: screen.colour,
        now: clock.now(),
        hint: kubectlHint,
      });
      screen.card(cardId, { state, passing: passing.has(state), lines: text.split("\n") });
    }, ended.signal);
    shown.catch((error: unknown) => {
      if (!ended.signal.aborted) log.error("the stream of cards broke", { error });
    });

    const stage: Stage = {
      steward,
      screen,
      words,
      follow: (ids) => {
        followed = new Set(ids);
      },
      async decide({ code, summary }) {
        if (interactive) return askAtTerminal(screen, words.ask(code, summary));
        screen.say(`\n> kubectl steward approve ${code}\n `);
        return "approve";
      },
      pause: (ms) => clock.sleep(interactive || screen.live ? ms : Math.min(ms, 200)),
      async until(what, probe) {
        const end = clock.now().getTime() + stepMs;
        for (;;) {
          const answer = await probe();
          if (answer !== null) return answer;
          if (clock.now().getTime() > end) throw new Error(`not within ${stepMs / 1_000} s: ${what}`);
          await clock.sleep(100);
        }
      },
      async crashingPod(namespace, app) {
        const labelSelector = `app.kubernetes.io/name=${app}`;
        const { items } = await cluster.read.list({ type: kinds.pod, namespace, labelSelector });
        return items.find(isCrashLooping)?.metadata.name ?? null;
      },
      now: () => clock.now(),
    };

    screen.say(words.intro);
    const trail = [...(await outOfMemory(stage))];
    sandbox.apply([demoOrders("bad")]);
    trail.push(...(await badRelease(stage)), ...(await restartNginx(stage)));
    await proof(stage, trail);
    screen.heading(words.done);
    closed = true;
    return 0;
  } catch (error) {
    process.stderr.write(
      `\nThe demo stopped: ${error instanceof Error ? error.message : String(error)}\nThe bot's log: ${logFile}\n`,
    );
    return 1;
  } finally {
    ended.abort();
    await app.stop(2_000);
    await sandbox.stop();
    if (closed && !values.keep) rmSync(folder, { recursive: true, force: true });
  }
}

function options(): { auto: boolean; keep: boolean; locale: Locale } {
  try {
    const { values } = parseArgs({
      options: {
        auto: { type: "boolean", default: false },
        locale: { type: "string", default: "en" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const spoken = locales.find((known) => known === values.locale);
    if (spoken !== undefined && !values.help) return { ...values, locale: spoken };
    process.stderr.write(`${usage}\n`);
    process.exit(values.help ? 0 : 2);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(2);
  }
}

function configure(folder: string, kubeconfig: string) {
  const file = join(folder, "steward.yaml");
  writeFileSync(
    file,
    [
      `cluster: { name: sandbox, kubeconfig: ${JSON.stringify(kubeconfig)} }`,
      `locale: ${locale}`,
      `data: ${JSON.stringify(join(folder, "data"))}`,
      "http: { host: 127.0.0.1, port: 0 }",
      `webhook: { bearerToken: ${webhookToken} }`,
      "verify: { settle: 2s, timeout: 60s }",
      "audit: { checkpoints: { stdout: false } }",
      "",
    ].join("\n"),
  );
  return loadConfig({ argvPath: file, env: {}, cwd: folder, readFile: (path) => readFileSync(path, "utf8") });
}

/** As kube-state-metrics counts it: a container waits to be restarted after it crashed. */
function isCrashLooping(pod: KubeObject): boolean {
  return listField(pod, "status", "containerStatuses").some(
    (status) => stringField(status, "state", "waiting", "reason") === "CrashLoopBackOff",
  );
}

/** One key: y or a approves, n or d denies; Ctrl-C ends the demo. */
function askAtTerminal(screen: Screen, question: string): Promise<"approve" | "deny"> {
  screen.ask(question);
  emitKeypressEvents(process.stdin);
  process.stdin.setRawMode(true);
  process.stdin.resume();
  return new Promise((resolve, reject) => {
    const onKey = (text: string | undefined, key: { name?: string; ctrl?: boolean }) => {
      const answer =
        key.ctrl === true && key.name === "c"
          ? "stop"
          : ({ y: "approve", a: "approve", n: "deny", d: "deny" } as const)[text ?? ""];
      if (answer === undefined) return;
      process.stdin.off("keypress", onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
      screen.answered();
      if (answer === "stop") reject(new Error("stopped at the keyboard"));
      else resolve(answer);
    };
    process.stdin.on("keypress", onKey);
  });
}
