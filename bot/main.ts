import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { StewardError } from "../shared/errors.ts";
import { createRedactor } from "../shared/redact.ts";
import { createClock } from "./adapters/clock.ts";
import { createLog } from "./adapters/log.ts";
import { type App, createApp } from "./app.ts";
import { type Config, ConfigError, loadConfig, ownSecrets } from "./config.ts";

/** 2: the configuration or the command line is wrong. 3: the store cannot be used. 1: anything else. */
const exitCodes = { usage: 2, store: 3, failed: 1 } as const;

/** The longest a SIGTERM waits for what is under way (SPEC 15). */
const drainMs = 20_000;

const config = configure();
const log = createLog({ redactor: createRedactor({ key: "steward", own: ownSecrets(config) }) });
const clock = createClock((error) => log.error("periodic work failed", { error: String(error) }));
let leaving = false;

// An error nobody caught leaves a state nobody knows. Everything that counts is on disk, and a restart recovers from it.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    log.error("a fault nobody expected; restarting is safe", {
      event,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    process.exit(exitCodes.failed);
  });
}

const app = make();
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    leaving = true;
    app.stop(drainMs).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error("did not stop cleanly", { error: String(error) });
        process.exit(exitCodes.failed);
      },
    );
  });
}

try {
  const { port, serving } = await app.start();
  log.info("listening", { port, cluster: config.cluster.name });
  await serving;
} catch (error) {
  // A standby that is told to leave never served.
  if (!leaving) {
    // Whoever waits for the Lease should not wait for one who cannot use it.
    await app.stop(0).catch(() => undefined);
    refuse(error);
  }
}

function make(): App {
  try {
    return createApp(config, { clock, log, env: process.env });
  } catch (error) {
    return refuse(error);
  }
}

/** Ends the process with what kept it from its work. */
function refuse(error: unknown): never {
  if (!(error instanceof StewardError)) throw error;
  log.error("cannot start", { error: error.message });
  process.exit(exitCodeOf(error.code));
}

function exitCodeOf(code: StewardError["code"]): number {
  if (code === "unavailable") return exitCodes.store;
  return code === "invalid" ? exitCodes.usage : exitCodes.failed;
}

function configure(): Config {
  try {
    const { values } = parseArgs({ options: { config: { type: "string" } } });
    return loadConfig({
      argvPath: values.config ?? null,
      env: process.env,
      cwd: process.cwd(),
      readFile: (path) => readFileSync(path, "utf8"),
    });
  } catch (error) {
    const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!usage && !(error instanceof ConfigError)) throw error;
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(exitCodes.usage);
  }
}
