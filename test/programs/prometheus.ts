import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts, ready, startProgram } from "./process.ts";
import { findProgram } from "./programs.ts";

export interface Prometheus {
  readonly url: string;
  stop(): Promise<void>;
}

export interface PrometheusStart {
  /** Folder for its files; it stays after `stop`, for whoever made it. */
  dir: string;
  /** prometheus.yml as an object. `rule_files` is added when there are rules. */
  config: Readonly<Record<string, unknown>>;
  /** A rule file as an object: `{ groups: [...] }`. */
  rules?: Readonly<Record<string, unknown>>;
}

/** Starts a real Prometheus on a free loopback port and waits until it serves queries. */
export async function startPrometheus({ dir, config, rules }: PrometheusStart): Promise<Prometheus> {
  const { http } = await freePorts(["http"]);
  const url = `http://127.0.0.1:${http}`;
  const name = `prometheus-${http}`;
  const ruleFile = join(dir, `${name}.rules.json`);
  const configFile = join(dir, `${name}.json`);
  if (rules !== undefined) writeFileSync(ruleFile, JSON.stringify(rules));
  writeFileSync(configFile, JSON.stringify({ ...config, ...(rules === undefined ? {} : { rule_files: [ruleFile] }) }));
  const program = await startProgram({
    name,
    file: await findProgram("prometheus"),
    dir,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(dir, name)}`,
      `--web.listen-address=127.0.0.1:${http}`,
      "--web.enable-lifecycle",
    ],
  });
  try {
    await ready(program, async () => (await fetch(`${url}/-/ready`)).ok);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return { url, stop: () => program.stop() };
}
