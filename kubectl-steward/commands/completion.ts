import { chmod, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { command } from "../command.ts";
import { exit, Failure } from "../exit.ts";

const fileName = "kubectl_complete-steward";

const shim = `#!/bin/sh
# kubectl runs this to complete "kubectl steward"; it must be on the PATH. Source: kubectl plugin completion (Kubernetes 1.26).
exec kubectl-steward __complete "$@"
`;

export const completion = command({
  name: "completion",
  args: ["[DIR]"],
  summary: "Print, or write into a folder on your PATH, what lets kubectl complete `kubectl steward`",
  about:
    "kubectl completes plugins by itself (1.26 and later) when its own shell completion is on: see 'kubectl completion --help'.",
  examples: ["kubectl steward completion ~/.local/bin"],
  options: {},
  async run([folder], _options, { out }) {
    if (folder === undefined) {
      out.line(shim.trimEnd());
      out.say(`Save this as an executable ${fileName} on your PATH: kubectl steward completion DIR does.`);
      return exit.done;
    }
    const path = join(resolve(folder), fileName);
    try {
      await writeFile(path, shim, { mode: 0o755 });
      await chmod(path, 0o755);
    } catch (error) {
      throw new Failure(
        exit.failed,
        `${path} cannot be written: ${error instanceof Error ? error.message : "unknown"}`,
      );
    }
    out.say(`Written to ${path}.`);
    return exit.done;
  },
});
