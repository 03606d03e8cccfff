import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { builtinRules, evaluate, moreCareful, Rule, rulesInForce, termsOf } from "../shared/policy.ts";
import { lint } from "../shared/policy-lint.ts";

const context = { timezone: "Asia/Shanghai", locale: "en" } as const;
const noon = new Date("2026-11-23T04:00:00Z"); // Monday 12:00 in Shanghai

const rules = (...given: readonly unknown[]): Rule[] => z.array(Rule).parse(given);
const route = (given: readonly Rule[], labels: Record<string, string>, at = noon) =>
  evaluate(given, labels, at, context);
const findings = (...given: readonly unknown[]) =>
  lint(rules(...given), "en").map(({ index, kind, text }) => ({ index, kind, text }));

test("without rules of one's own critical alerts call people, restart loops in dev are fixed, the rest is diagnosed", () => {
  const builtin = rulesInForce([]);
  assert.deepEqual(builtin, builtinRules);
  assert.equal(route(builtin, { alertname: "KubePodCrashLooping", severity: "critical", env: "dev" }).route, "notify");
  for (const alertname of ["KubePodCrashLooping", "PodRestartLoop", "CheckoutRestartLoopTooFast"]) {
    const decision = route(builtin, { alertname, severity: "warning", env: "dev" });
    assert.deepEqual([decision.route, decision.allow], ["autofix", ["restart", "rollback"]]);
    assert.equal(route(builtin, { alertname, severity: "warning", env: "prod" }).route, "diagnose");
  }
  assert.equal(route(builtin, { alertname: "KubePodCrashLoopingX", env: "dev" }).route, "diagnose");
  assert.equal(route(builtin, {}).rule, null);
});

test("any rule of one's own replaces the built-in ones", () => {
  const own = rulesInForce(rules({ name: "quiet", match: ['team="x"'], route: "ignore" }));
  assert.equal(route(own, { severity: "critical" }).route, "diagnose");
});

test("the first rule whose matchers all hold decides, and each earlier one says why it did not", () => {
  const own = rules(
    { name: "night", match: ['severity=~"critical|page"'], route: "notify", during: { days: "Sat,Sun" } },
    { name: "dev", match: ['env="dev"', 'severity="warning"'], route: "autofix", allow: ["restart"] },
    { name: "rest", route: "ignore" },
  );
  const decision = route(own, { env: "dev", severity: "critical" });
  assert.equal(decision.rule, "rest");
  assert.deepEqual(decision.because, [
    "night: holds only Sat-Sun 00:00-24:00 Asia/Shanghai",
    'dev: severity="warning" does not hold, severity is "critical"',
  ]);
  assert.deepEqual(route(own, {}).because, [
    'night: severity=~"critical|page" does not hold, severity is not set',
    'dev: env="dev" does not hold, env is not set',
  ]);
});

test("a rule holds only in its hours, in its own time zone and over midnight", () => {
  const office = {
    name: "office",
    route: "notify",
    during: { timezone: "Asia/Shanghai", days: "Mon-Fri", hours: "09:00-18:00" },
  };
  const night = { name: "night", route: "ignore", during: { days: "Fri", hours: "22:00-06:00" } };
  const inRule = (rule: unknown, at: string) => route(rules(rule), {}, new Date(at)).rule !== null;
  const rows: [unknown, string, boolean][] = [
    [office, "2026-11-23T00:59:00Z", false],
    [office, "2026-11-23T01:00:00Z", true],
    [office, "2026-11-23T09:59:59Z", true],
    [office, "2026-11-23T10:00:00Z", false],
    [office, "2026-11-22T04:00:00Z", false], // Sunday
    [night, "2026-11-27T13:59:00Z", false], // Friday 21:59
    [night, "2026-11-27T14:00:00Z", true],
    [night, "2026-11-27T21:59:00Z", true], // Saturday 05:59
    [night, "2026-11-27T22:00:00Z", false],
    [night, "2026-11-26T21:00:00Z", false], // Friday 05:00 belongs to Thursday
    // Berlin puts its clocks back on 25 October 2026 at 01:00 UTC.
    [{ route: "notify", during: { timezone: "Europe/Berlin", hours: "02:00-03:00" } }, "2026-10-25T00:30:00Z", true],
    [{ route: "notify", during: { timezone: "Europe/Berlin", hours: "02:00-03:00" } }, "2026-10-25T01:30:00Z", true],
    [{ route: "notify", during: { timezone: "Europe/Berlin", hours: "02:00-03:00" } }, "2026-10-25T02:00:00Z", false],
    [{ route: "notify", during: { days: "Sat-Mon" } }, "2026-11-22T04:00:00Z", true],
  ];
  for (const [rule, at, expected] of rows) assert.equal(inRule(rule, at), expected, `${JSON.stringify(rule)} at ${at}`);
});

test("of several routes the most careful holds; on one route only what all its rules allow, and a shadow if one is", () => {
  const care = (name: string, more: Record<string, unknown>) => route(rules({ name, ...more }), {});
  const [notify, diagnose, ignore] = (["notify", "diagnose", "ignore"] as const).map((name) =>
    care(name, { route: name }),
  );
  const fix = care("a", { route: "autofix", allow: ["restart", "rollback"] });
  const shadow = care("b", { route: "autofix", allow: ["rollback"], mode: "shadow" });
  assert.ok(notify && diagnose && ignore);
  for (const [a, b, winner] of [
    [ignore, fix, "autofix"],
    [fix, diagnose, "diagnose"],
    [diagnose, notify, "notify"],
  ] as const) {
    assert.equal(moreCareful(a, b).route, winner);
    assert.equal(moreCareful(b, a).route, winner);
  }
  assert.deepEqual(moreCareful(fix, shadow), { rule: "a", route: "autofix", allow: ["rollback"], mode: "shadow" });
});

test("a rule's own terms go before the general ones", () => {
  const general = { roles: ["admin"], approvals: 1, selfApproval: true, ttl: 900_000 };
  const own = rules({ name: "two", route: "diagnose", approve: { approvals: 2, ttl: "10m" } });
  assert.deepEqual(termsOf(own, "two", general), { ...general, approvals: 2, ttl: 600_000 });
  assert.deepEqual(termsOf(own, "gone", general), general);
  assert.deepEqual(termsOf(own, null, general), general);
});

test("a rule that cannot be meant is refused with what is wrong", () => {
  const rows: [Record<string, unknown>, RegExp][] = [
    [{ route: "notfy" }, /route/],
    [{ route: "notify", matches: [] }, /matches/],
    [{ route: "notify", match: ["severity"] }, /match\.0.*(operator|form)/],
    [{ route: "notify", match: ['a=~"("'] }, /bad regular expression: missing closing \)/],
    [{ route: "notify", match: ['a=~"(?=x)"'] }, /unsupported Perl syntax/],
    [{ route: "autofix", allow: ["reboot"] }, /allow\.0/],
    [{ route: "notify", escalate: { after: "soon" } }, /escalate\.after.*duration/],
    [{ route: "notify", during: { days: "Mon-Fun" } }, /during\.days.*Mon-Fri/],
    [{ route: "notify", during: { hours: "9-18" } }, /during\.hours.*09:00-18:00/],
    [{ route: "notify", during: { hours: "09:00-25:00" } }, /during\.hours/],
    [{ route: "notify", during: { hours: "09:00-09:00" } }, /during\.hours/],
    [{ route: "notify", during: { timezone: "Mars/Olympus" } }, /during\.timezone/],
    [{ route: "notify", approve: { approvals: 0 } }, /approve\.approvals/],
    [{ route: "notify", approve: { roles: ["viewer"] } }, /approve\.roles/],
  ];
  for (const [rule, expected] of rows) {
    const { error } = Rule.safeParse(rule);
    const said = error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ") ?? "";
    assert.match(said, expected, JSON.stringify(rule));
  }
});

test("a rule whose matchers contradict each other can never match", () => {
  const never = (label: string) => [
    { index: 0, kind: "never", text: `can never match: no value of ${label} satisfies all its matchers` },
  ];
  for (const match of [
    ['a="x"', 'a="y"'],
    ['a="x"', 'a!="x"'],
    ['a="x"', 'a=~"y|z"'],
    ['a=~"foo.*"', 'a=~"bar.*"'],
    ['a=~"x|y"', 'a!="x"', 'a!="y"'],
    ['a=~"a{3}"', 'a!~"aa."'],
    ['a!~"(?s).*"'],
    ['a=""', 'a=~".+"'],
  ]) {
    assert.deepEqual(findings({ match, route: "notify" }), never("a"), match.join(" "));
  }
  for (const match of [
    ['a=~"foo.*"', 'a=~".*bar"'],
    ['a=~"x|y"', 'a!="x"'],
    ['a!="x"', 'a!="y"'],
    ['a=~"(?i)x"', 'a!="x"'],
    ['a="x"', 'b="y"'],
    ['a=~"[0-9]+"', 'a!~"[0-8]+"'],
  ]) {
    assert.deepEqual(findings({ match, route: "notify" }), [], match.join(" "));
  }
});

test("a rule behind one that takes everything it would can never match", () => {
  const shadowed = (earlier: unknown, later: unknown) =>
    findings(earlier, later).some(
      ({ index, kind, text }) => index === 1 && kind === "never" && text.includes("which comes first"),
    );
  const rule = (match: string[], more = {}) => ({ name: match.join() || "all", match, route: "notify", ...more });
  assert.ok(shadowed(rule([]), rule(['a="x"'])));
  assert.ok(shadowed(rule(['a=~"x|y"']), rule(['a="x"', 'b="z"'])));
  assert.ok(shadowed(rule(['a=~"Kube.*"']), rule(['a=~"KubePod.*"'])));
  assert.ok(shadowed(rule(['a!="x"']), rule(['a=~"y+"'])));
  assert.ok(!shadowed(rule(['a=~"KubePod.*"']), rule(['a=~"Kube.*"'])));
  assert.ok(!shadowed(rule(['a="x"', 'b="z"']), rule(['a="x"'])));
  const office = { during: { days: "Mon-Fri" } };
  assert.ok(!shadowed(rule(['a="x"'], office), rule(['a="x"', 'b="y"'])));
  assert.ok(shadowed(rule(['a="x"'], office), rule(['a="x"', 'b="y"'], office)));
});

test("settings that do nothing are pointed out", () => {
  assert.deepEqual(
    findings(
      { name: "a", match: ['x="1"'], route: "autofix" },
      { name: "b", match: ['x="2"'], route: "notify", allow: ["restart"], mode: "shadow" },
      { name: "b", match: ['x="3"'], route: "ignore", escalate: { after: "5m" } },
    ).map(({ index, kind }) => `${index} ${kind}`),
    ["0 warning", "1 warning", "1 warning", "2 warning", "2 warning"],
  );
});

test("what cannot be proved in reasonable time is not said", () => {
  const started = performance.now();
  const wide = Array.from({ length: 14 }, (_, i) => `a=~".*${String.fromCharCode(97 + i)}.{${i + 1}}"`);
  lint(rules({ match: wide, route: "notify" }), "en");
  assert.ok(performance.now() - started < 5_000);
});
