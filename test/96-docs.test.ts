import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parse as parseYaml } from "yaml";
import { ConfigSchema } from "../bot/config/schema.ts";
import { loadConfig } from "../bot/config.ts";
import { blocksOf, commandReference, commandsIn, helpOf, settingsIn, settingsOf } from "./docs.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const documents = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: root })];

test("every npm script that a document names is there", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  for (const path of documents) {
    for (const [command, script = ""] of read(path).matchAll(/npm (?:run )?(start|test|[a-z]+(?::[a-z]+)?)\b/g)) {
      if (!command.startsWith("npm run ") && !["start", "test"].includes(script)) continue;
      assert.ok(script in scripts, `${path}: ${command}`);
    }
  }
});

test("every file that a document links to or names as a test is there", () => {
  for (const path of documents) {
    for (const [, target = ""] of read(path).matchAll(/\]\((?!https?:)([^)#]+)/g))
      assert.ok(existsSync(join(root, dirname(path), target)), `${path}: ${target}`);
    for (const [named] of read(path).matchAll(/\btest\/[\w-]+\.test\.ts\b/g))
      assert.ok(existsSync(join(root, named)), `${path}: ${named}`);
  }
});

test("the configurations in the documents are good ones; other YAML at least parses", () => {
  const sections = Object.keys(ConfigSchema.shape);
  let tried = 0;
  for (const path of documents) {
    const text = read(path);
    const heredocs = blocksOf(text, "sh").flatMap((block) =>
      [...block.matchAll(/<<YAML\n([\s\S]*?)^YAML$/gm)].map(([, yaml = ""]) => yaml),
    );
    for (const yaml of [...blocksOf(text, "yaml"), ...heredocs]) {
      const keys = Object.keys(parseYaml(yaml) as object);
      if (!keys.every((key) => sections.includes(key))) continue;
      tried++;
      const file = "/steward.yaml";
      const named = [...yaml.matchAll(/\$\{(\w+)\}/g)].map(([, name = ""]) => name);
      const config = loadConfig({
        argvPath: file,
        env: Object.fromEntries(["WEBHOOK_TOKEN", ...named].map((name) => [name, "from-the-environment"])),
        cwd: "/",
        readFile(asked) {
          if (asked === file) return yaml;
          throw Object.assign(new Error("no such file"), { code: "ENOENT" });
        },
      });
      assert.deepEqual(config.webhook.bearerToken, ["from-the-environment"], path);
    }
  }
  assert.ok(tried >= 3, `only ${tried} were found`);
});

test("every setting is described, with its default, and nothing that is none", () => {
  const said = settingsIn(read("docs/configuration.md"));
  const real = settingsOf(ConfigSchema);
  assert.deepEqual(
    [...real.keys()].filter((key) => !said.has(key)),
    [],
    "not described",
  );
  assert.deepEqual(
    [...said.keys()].filter((key) => !real.has(key)),
    [],
    "described, and not there",
  );
  for (const [key, value] of real) assert.deepEqual(said.get(key), value, key);
});

test("the documents for users name only subcommands that the plugin's help lists", async () => {
  const listed = commandsIn(await helpOf(""));
  for (const path of documents.filter((document) => document !== "docs/cli.md" && document !== "CONTRIBUTING.md")) {
    const text = [
      ...blocksOf(read(path), "sh"),
      ...[...read(path).matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code),
    ];
    for (const [, first = "", second = ""] of text.join("\n").matchAll(/kubectl steward ([a-z]+)(?: ([a-z]+)\b)?/g)) {
      const known =
        listed.includes(first) ||
        listed.includes(`${first} ${second}`) ||
        listed.some((name) => second === "" && name.startsWith(`${first} `));
      assert.ok(known, `${path}: kubectl steward ${first} ${second}`);
    }
  }
});

test("docs/cli.md is what the plugin says of itself", async () => {
  const made = await commandReference();
  const path = join(root, "docs/cli.md");
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(path, made);
  assert.equal(readFileSync(path, "utf8"), made, "UPDATE_DOCS=1 writes it anew, to be read");
});
