#!/usr/bin/env node
import { basename } from "node:path";
import manifest from "../package.json" with { type: "json" };

/**
 * The entry of the bundle. kubectl starts it for every word typed and every Tab pressed, so `version` and completion load nothing else
 * (SPEC 15).
 */
const args = process.argv.slice(2);
if (basename(process.argv[1] ?? "").startsWith("kubectl_complete-")) await complete(args);
else if (args[0] === "__complete") await complete(args.slice(1));
else if (args[0] === "version" || args[0] === "--version") version(args.slice(1));
else {
  const { main } = await import("./main.ts");
  await main(args);
}

async function complete(words: readonly string[]): Promise<void> {
  const { candidates } = await import("./complete.ts");
  process.stdout.write(`${candidates(words).join("\n")}\n`);
}

function version(flags: readonly string[]): void {
  const format = flags.join(" ").match(/^(?:-o[ =]?|--output[ =])(json|yaml)$/)?.[1];
  const usage = "kubectl steward version [-o json|yaml]";
  if (flags[0] === "--help" || flags[0] === "-h") {
    process.stdout.write(`Print the version of the plugin.\n\nUsage:\n  ${usage}\n`);
  } else if (flags.length > 0 && format === undefined) {
    process.stderr.write(`usage: ${usage}\n`);
    process.exitCode = 2;
  } else if (format === "json") {
    process.stdout.write(
      `${JSON.stringify({ apiVersion: "steward.io/v1", kind: "Version", version: manifest.version }, null, 2)}\n`,
    );
  } else if (format === "yaml") {
    process.stdout.write(`apiVersion: steward.io/v1\nkind: Version\nversion: ${manifest.version}\n`);
  } else process.stdout.write(`kubectl-steward ${manifest.version}\n`);
}
