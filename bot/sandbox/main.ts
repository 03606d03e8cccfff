/** `npm run sandbox -- --kubeconfig FILE [--world FILE] [--port N]`: the sandbox cluster alone, for any client. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { demoWorld } from "./demo-world.ts";
import { readWorld, startSandbox } from "./index.ts";

const { values } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    world: { type: "string" },
    port: { type: "string", default: "0" },
    speed: { type: "string", default: "1" },
  },
});

async function main(): Promise<void> {
  if (!values.kubeconfig) throw new Error("--kubeconfig FILE is required: where to write the way in");
  const world = values.world ? readWorld(readFileSync(values.world, "utf8")) : demoWorld();
  const sandbox = await startSandbox({ world, port: Number(values.port), speed: Number(values.speed) });
  writeFileSync(values.kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  // The mode above counts for a new file only.
  chmodSync(values.kubeconfig, 0o600);
  process.stdout.write(`${JSON.stringify({ url: sandbox.url, kubeconfig: values.kubeconfig })}\n`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void sandbox.stop());
}

main().catch((error: unknown) => {
  process.stderr.write(`sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
