import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts, ready, startProgram } from "./process.ts";
import { findProgram } from "./programs.ts";

export interface Alertmanager {
  readonly url: string;
  /** Where other Alertmanagers of its cluster find it. */
  readonly peer: string;
  stop(): Promise<void>;
}

export interface AlertmanagerStart {
  /** Folder for its files; it stays after `stop`, for whoever made it. */
  dir: string;
  /** alertmanager.yml as an object, or as text. */
  config: Readonly<Record<string, unknown>> | string;
  /** `peer` of other Alertmanagers, to form a cluster with. */
  peers?: readonly string[];
}

/** Starts a real Alertmanager on free loopback ports and waits until it takes alerts. */
export async function startAlertmanager({ dir, config, peers = [] }: AlertmanagerStart): Promise<Alertmanager> {
  const { http, cluster } = await freePorts(["http", "cluster"]);
  const url = `http://127.0.0.1:${http}`;
  const peer = `127.0.0.1:${cluster}`;
  const name = `alertmanager-${http}`;
  const configFile = join(dir, `${name}.yml`);
  writeFileSync(configFile, typeof config === "string" ? config : JSON.stringify(config));
  const program = await startProgram({
    name,
    file: await findProgram("alertmanager"),
    dir,
    args: [
      `--config.file=${configFile}`,
      `--storage.path=${join(dir, name)}`,
      `--web.listen-address=127.0.0.1:${http}`,
      ...[`--cluster.listen-address=${peer}`, `--cluster.advertise-address=${peer}`],
      // How long one peer waits for the one before it to notify: 15 s by default, long for a test.
      ...["--cluster.peer-timeout=3s", "--cluster.gossip-interval=50ms", "--cluster.settle-timeout=5s"],
      ...peers.map((other) => `--cluster.peer=${other}`),
    ],
  });
  try {
    await ready(program, async () => (await fetch(`${url}/-/ready`)).ok);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return { url, peer, stop: () => program.stop() };
}

/** Runs amtool to its end. */
export async function amtool(args: readonly string[]): Promise<{ code: number; output: string }> {
  const { status, stdout, stderr } = spawnSync(await findProgram("amtool"), args, { encoding: "utf8" });
  return { code: status ?? 1, output: `${stdout}${stderr}` };
}
