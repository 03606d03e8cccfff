import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { command } from "../command.ts";
import { exit, Failure } from "../exit.ts";

export const demo = command({
  name: "demo",
  args: [],
  summary: "Watch the whole product at work, on a cluster in memory",
  about:
    "Needs no cluster, no chat account and no model. On a terminal it asks you to decide; with --auto it plays both sides.",
  options: { auto: { type: "boolean", describe: "Play both sides and end with the outcome as exit code" } },
  async run(_words, { auto }) {
    const bundle = join(import.meta.dirname, "demo.mjs");
    if (!existsSync(bundle))
      throw new Failure(
        exit.failed,
        "the demo is not beside this plugin: it comes with the whole project (npm run demo)",
      );
    const child = spawn(process.execPath, [bundle, ...(auto ? ["--auto"] : [])], { stdio: "inherit" });
    const [code] = (await once(child, "exit")) as [number | null];
    return code === 0 ? exit.done : exit.failed;
  },
});
