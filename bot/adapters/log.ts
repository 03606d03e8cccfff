import { type DestinationStream, pino } from "pino";
import { type Redactor, redactObject, redactText } from "../../shared/redact.ts";
import type { Log } from "../edges.ts";

export interface LogOptions {
  /** Knows Steward's own secrets; the one that goes by looks alone when not given. */
  redactor?: Redactor;
  level?: "debug" | "info" | "warn" | "error";
  /** Standard output when not given. */
  to?: DestinationStream;
}

/** One JSON object a line, with `level`, `time`, `msg` and the fields; secrets masked in all of it. Written before the call returns. */
export function createLog(options: LogOptions = {}): Log {
  const { redactor = { text: redactText, object: redactObject }, level = "info", to = pino.destination(1) } = options;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    to,
  );
  const write =
    (severity: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (!logger.isLevelEnabled(severity)) return;
      logger[severity]({ ...redactor.object(plain(fields)), ...meantToBeRead(fields) }, redactor.text(message));
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Fields whose whole purpose is that somebody reads them in the log, though they look like secrets (SPEC 12 and 13). */
const plainlyWritten = ["setupToken", "checkpoint"] as const;

function meantToBeRead(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(plainlyWritten.filter((key) => key in fields).map((key) => [key, fields[key]]));
}

/** Errors lose their text when they are made JSON; here they keep it, with what caused them. */
function plain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? describe(value) : value]),
  );
}

function describe(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${describe(error.cause)}` : own;
}
