import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { amtool } from "../programs/alertmanager.ts";

const root = join(import.meta.dirname, "../..");

/** The block of a page that configures Alertmanager. */
function snippetOf(page: string): string {
  const text = readFileSync(join(root, page), "utf8");
  const [, snippet] = /```yaml\n(route:\n[\s\S]*?)```/.exec(text) ?? [];
  assert.ok(snippet, `${page} has no snippet`);
  return snippet;
}

function written(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "steward-receiver-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "alertmanager.yml");
  writeFileSync(file, snippetOf("docs/alertmanager.md"));
  return file;
}

test("the receiver we ship is one, and Alertmanager takes it", async (t) => {
  assert.equal(snippetOf("README.md"), snippetOf("docs/alertmanager.md"));
  const { code, output } = await amtool(["check-config", written(t)]);
  assert.equal(code, 0, output);
});

test("everything goes to Steward, and what must never be missed goes past it too", async (t) => {
  const file = written(t);
  const receivers = async (...labels: string[]) =>
    (await amtool(["config", "routes", "test", `--config.file=${file}`, ...labels])).output.trim();
  assert.equal(await receivers("alertname=KubePodCrashLooping", "severity=warning"), "steward");
  assert.equal(await receivers("alertname=KubeAPIDown", "severity=critical"), "pager,steward");
  assert.equal(await receivers("alertname=StewardDown", "severity=warning"), "pager,steward");
  assert.equal(await receivers("alertname=Watchdog", "severity=none"), "deadmansswitch,steward");
});
