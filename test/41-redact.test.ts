import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createRedactor, redactObject, redactText } from "../shared/redact.ts";

/** Characters of an alphabet, the same in every run. */
function drawn(alphabet: string, length: number, seed: string): string {
  let text = "";
  for (let i = 0; text.length < length; i++) {
    for (const byte of createHash("sha256").update(`${seed}${i}`).digest()) {
      if (text.length < length && byte < 256 - (256 % alphabet.length)) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
const lower = "abcdefghijklmnopqrstuvwxyz";
const upper = lower.toUpperCase();
const digits = "0123456789";
const hex = (length: number, seed = "") => drawn("0123456789abcdef", length, `hex${seed}`);
const letters = (length: number, seed = "") => drawn(lower + upper + digits, length, `letters${seed}`);
const capitals = (length: number, seed = "") => drawn(upper + digits, length, `capitals${seed}`);
const uuid = `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
const jwt = `eyJhbGciOiJIUzI1NiJ9.${Buffer.from('{"sub":"1234567890"}').toString("base64url")}.${letters(43)}`;

/** Texts, and the part of each that must not be seen afterwards. */
const leaks: readonly (readonly [text: string, secret: string])[] = [
  // names beside values, in every notation
  ["DB_PASSWORD=hunter2", "hunter2"],
  ["export MYSQL_ROOT_PASSWORD='hunter2'", "hunter2"],
  ["password: hunter2 user: bob", "hunter2"],
  ["  password: my pass phrase", "my pass phrase"],
  ['{"password":"a\\"b c","user":"x"}', 'a\\"b c'],
  ['msg="{\\"clientSecret\\":\\"hunter2\\"}"', "hunter2"],
  ["--db-password=hunter2", "hunter2"],
  ["run --password hunter2 --user bob", "hunter2"],
  ["spring.datasource.password=hunter2", "hunter2"],
  ["time=x level=error msg=boom token=hunter2", "hunter2"],
  ["x-api-key: hunter2", "hunter2"],
  ["jdbc:mysql://h/db?user=a&password=hunter2&x=y", "hunter2"],
  ["Server=db;User Id=sa;Password=hunter2;Encrypt=yes", "hunter2"],
  ["- name: API_TOKEN\n  value: hunter2\n", "hunter2"],
  ['{"name":"API_TOKEN","value":"hunter2"}', "hunter2"],
  ["password: |\n  line one\n  line two\nnext: ok", "line two"],
  ["数据库密码：hunter2，用户 bob", "hunter2"],
  ["令牌=hunter2", "hunter2"],
  ["IDENTIFIED BY 'hunter2'", "hunter2"],
  ["curl -u admin:hunter2 https://x", "hunter2"],
  ["mysql -h db -uroot -phunter2 shop", "hunter2"],
  ["AccountKey=hunter2hunter2;EndpointSuffix=x", "hunter2hunter2"],
  // headers
  ["Authorization: Bearer abc.def-123", "abc.def-123"],
  [
    `Authorization: Basic ${Buffer.from("bob:hunter2").toString("base64")}`,
    Buffer.from("bob:hunter2").toString("base64"),
  ],
  ["curl -H 'Authorization: token hunter2'", "hunter2"],
  ["Set-Cookie: session=hunter2; Path=/", "hunter2"],
  // addresses
  ["postgres://app:hunter2@db:5432/shop", "hunter2"],
  ["redis://:p@ss@host:6379/0", "p@ss"],
  [`https://${letters(30)}@github.com/x/y`, letters(30)],
  ["app:hunter2@tcp(db:3306)/shop", "hunter2"],
  // keys and tokens by their look
  [`-----BEGIN RSA PRIVATE KEY-----\n${letters(64)}\n-----END RSA PRIVATE KEY-----`, letters(64)],
  [`key="-----BEGIN PRIVATE KEY-----\\n${letters(64)}\\n"`, letters(64)],
  [`-----BEGIN EC PRIVATE KEY-----\n${letters(64)}`, letters(64)],
  [`got ${jwt} back`, jwt.slice(21)],
  [`id AKIA${capitals(16)} used`, capitals(16)],
  [`secret ${drawn(`${lower + upper + digits}/+`, 40, "aws")} used`, drawn(`${lower + upper + digits}/+`, 40, "aws")],
  [`LTAI5t${letters(18)}`, letters(18)],
  [`secretId AKID${letters(32)}`, letters(32)],
  [`AKLT${letters(30)}`, letters(30)],
  [`AIza${drawn(`${lower + upper + digits}_-`, 35, "g")}`, drawn(`${lower + upper + digits}_-`, 35, "g")],
  [`ghp_${letters(36)}`, letters(36)],
  [`github_pat_${letters(40)}`, letters(40)],
  [`glpat-${letters(20)}`, letters(20)],
  [`xoxb-${drawn(digits, 12, "x")}-${letters(24)}`, letters(24)],
  [`xapp-1-A${capitals(10)}-${drawn(digits, 13, "y")}-${hex(64)}`, hex(64)],
  [`https://hooks.slack.com/services/T${capitals(8)}/B${capitals(8)}/${letters(24)}`, letters(24)],
  [`https://oapi.dingtalk.com/robot/send?access_token=${hex(64)}`, hex(64)],
  [`sign SEC${hex(64)}`, hex(64)],
  [`https://open.feishu.cn/open-apis/bot/v2/hook/${uuid}`, uuid],
  [`https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${uuid}`, uuid],
  [`${drawn(digits, 9, "t")}:AA${letters(33)}`, letters(33)],
  [`sk-proj-${letters(40)}`, letters(40)],
  [`hf_${letters(34)}`, letters(34)],
  [`npm_${letters(36)}`, letters(36)],
  [`sk_live_${letters(24)}`, letters(24)],
  [`hvs.${letters(90)}`, letters(90)],
  [`kubeadm join --token abc123.${drawn(lower + digits, 16, "b")}`, drawn(lower + digits, 16, "b")],
  [
    `{"auths":{"r":{"auth":"${Buffer.from("bob:Hunter2Hunter2").toString("base64")}"}}}`,
    Buffer.from("bob:Hunter2Hunter2").toString("base64"),
  ],
  [
    `blob ${Buffer.from("password=hunter2 and more").toString("base64")}`,
    Buffer.from("password=hunter2 and more").toString("base64"),
  ],
  [`value "${letters(40)}"`, letters(40)],
];

test("no secret of the corpus is left in a text, and masking again changes nothing", () => {
  for (const [text, secret] of leaks) {
    const masked = redactText(text);
    assert.ok(!masked.includes(secret), `${text}\n  became\n${masked}`);
    assert.match(masked, /\[masked:[a-z-]+:[0-9a-f]{4}\]/, text);
    assert.equal(redactText(masked), masked);
  }
});

/** What people decide by, and what only sounds like a secret. */
const harmless: readonly string[] = [
  'Error: secret "db-creds" not found',
  "couldn't find key DB_PASSWORD in Secret payment/db-creds",
  'MountVolume.SetUp failed for volume "creds" : secret "creds" not found',
  "SecretName:  db-creds",
  "secretKeyRef: db-creds",
  "max_tokens=4096 tokens: 512",
  "unexpected token: < in JSON",
  "invalid token: expired",
  "password: incorrect",
  "Basic authentication failed; Bearer authentication required",
  "bypass=true passed: 5 compass=north",
  "token: /var/run/secrets/kubernetes.io/serviceaccount/token",
  "password: $(DB_PASSWORD)",
  "password: {{ .Values.password }}",
  `password: $${"{DB_PASSWORD}"}`,
  "tokenExpirationSeconds: 3607",
  "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
  'Failed to pull image "shop/checkout:9": rpc error: code = NotFound desc = failed to resolve reference',
  "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu.",
  `registry.cn-hangzhou.aliyuncs.com/shop/app@sha256:${hex(64)}`,
  `containerd://${hex(64)}`,
  `HEAD is now at ${hex(40)} fix`,
  `trace_id=${hex(32)} span_id=${hex(16)}`,
  `uid: ${uuid}`,
  "pod/checkout-7d9f8c6b5-x2v9q on ip-10-0-12-34.ec2.internal",
  "2026-11-22T10:00:00.123456789Z stderr F panic: runtime error: index out of range [3] with length 3",
  "at com.example.shop.checkout.CheckoutServiceImpl$$EnhancerBySpringCGLIB$$3f2a1b.process(CheckoutServiceImpl.java:142)",
  "/var/lib/kubelet/pods/0a1b2c3d-1111-2222-3333-444455556666/volumes/kubernetes.io~projected/kube-api-access-x7k2p",
  "GET /api/v1/orders/42?key=value&page=2 HTTP/1.1 200",
  "user@example.com git@github.com:org/repo.git http://user@host/path",
  "primary_key=id foreign key: order_id key: value",
  "内存使用率 95%，超过阈值；请检查 Pod 的 limits 设置",
  "go: github.com/foo/bar@v1.2.3: verifying h1:abcdefABCDEF0123456789abcdefABCDEF012345678=",
];

test("what people decide by stays as it is", () => {
  for (const text of harmless) assert.equal(redactText(text), text);
});

test("a long clean log is hardly touched", () => {
  const services = ["CheckoutService", "InventoryClient", "PaymentGatewayV2", "OrderRepositoryImpl"];
  const lines = Array.from({ length: 20_000 }, (_, i) => {
    const id = createHash("md5").update(String(i)).digest("hex");
    return `2026-11-22T10:${String(i % 60).padStart(2, "0")}:00.${i % 1_000}Z INFO [http-nio-8080-exec-${i % 16}] c.e.shop.${services[i % 4]} - request_id=${id} order=${i} path=/api/v1/orders/${i}?page=${i % 9} status=200 took=${i % 300}ms cache-hit ratio 0.${i % 97} pod=checkout-${id.slice(0, 10)}-${id.slice(10, 15)}`;
  });
  const masked = redactText(lines.join("\n")).split("\n");
  const touched = masked.filter((line, i) => line !== lines[i]).length;
  assert.ok(touched / lines.length <= 0.005, `${touched} of ${lines.length} lines`);
});

test("drawn secrets under every kind of name and in every surface are found", () => {
  const surfaces: readonly ((name: string, secret: string) => string)[] = [
    (name, secret) => `${name}=${secret}`,
    (name, secret) => `${name}: ${secret}`,
    (name, secret) => `{"${name}": "${secret}"}`,
    (name, secret) => `level=info ${name}="${secret}" ok=true`,
    (name, secret) => `--${name.toLowerCase().replaceAll("_", "-")}=${secret} --verbose`,
    (name, secret) => `env:\n  - name: ${name}\n    value: ${secret}\n`,
    (name, secret) => `https://h/x?${name}=${secret}&y=1`,
    (name, secret) => `('${name}', '${name}'): ${name} => '${secret}'`,
    (_, secret) => `connect to amqp://app:${secret}@mq:5672/vhost failed`,
    (_, secret) => `Authorization: Bearer ${secret}`,
    (name, secret) => `2026-11-22T10:00:00Z stdout F ${name}="${secret}"`,
    (name, secret) => JSON.stringify({ message: JSON.stringify({ [name]: secret }) }),
  ];
  const names = [
    "DB_PASSWORD",
    "clientSecret",
    "API_KEY",
    "accessToken",
    "aws_secret_access_key",
    "redis_passwd",
    "jwtSigningKey",
    "AUTH_TOKEN",
    "private_key",
    "smtpPwd",
  ];
  const missed: string[] = [];
  let planted = 0;
  for (const [s, surface] of surfaces.entries()) {
    for (const [n, name] of names.entries()) {
      for (let i = 0; i < 17; i++) {
        const secret = letters(16 + i, `${s}/${n}/${i}`);
        const text = surface(name, secret);
        planted++;
        if (redactText(text).includes(secret)) missed.push(text);
      }
    }
  }
  assert.ok(planted >= 2_000);
  assert.deepEqual(missed, []);
});

test("equal secrets wear equal masks, different ones and other keys do not", () => {
  const mask = (text: string) => /\[masked:[^\]]+\]/.exec(redactText(text))?.[0];
  assert.equal(mask("DB_PASSWORD=hunter2"), mask('"password": "hunter2"'));
  assert.notEqual(mask("DB_PASSWORD=hunter2"), mask("DB_PASSWORD=hunter3"));
  const other = createRedactor({ key: "another", own: [] });
  assert.notEqual(redactText("DB_PASSWORD=hunter2"), other.text("DB_PASSWORD=hunter2"));
});

test("Steward's own secrets are masked wherever they stand, the longer first", () => {
  const { text, object } = createRedactor({ key: "k", own: ["plainword", "plainword-longer"] });
  assert.doesNotMatch(text("see plainword-longer and plainword there"), /plainword/);
  assert.doesNotMatch(JSON.stringify(object({ note: ["x plainword y"] })), /plainword/);
});

test("structure says what is secret: objects lose what names and places hold", () => {
  const pod = {
    kind: "Pod",
    metadata: {
      name: "checkout",
      managedFields: [{ manager: "x" }],
      annotations: {
        "kubectl.kubernetes.io/last-applied-configuration": '{"spec":{"password":"hunter2"}}',
        "example.com/api-token": "hunter2",
        note: "plain",
      },
    },
    spec: {
      imagePullSecrets: [{ name: "regcred" }],
      volumes: [{ name: "creds", secret: { secretName: "db-creds" } }],
      containers: [
        {
          name: "app",
          image: "shop/checkout:1",
          args: ["--token", "hunter2", "--level", "info", "--password=hunter2"],
          env: [
            { name: "DB_PASSWORD", value: "hunter2" },
            { name: "SOME_BLOB", value: "hunter2" },
            { name: "LOG_LEVEL", value: "debug" },
            { name: "DATABASE_URL", value: "postgres://app:hunter2@db/shop" },
            { name: "DB_USER", valueFrom: { secretKeyRef: { name: "db-creds", key: "user" } } },
          ],
        },
      ],
    },
  };
  const masked = redactObject(pod);
  const text = JSON.stringify(masked);
  assert.doesNotMatch(text, /hunter2/);
  assert.equal(masked.metadata.annotations.note, "plain");
  assert.deepEqual(masked.spec.imagePullSecrets, pod.spec.imagePullSecrets);
  assert.deepEqual(masked.spec.volumes, pod.spec.volumes);
  const [app] = masked.spec.containers;
  assert.equal(app?.image, "shop/checkout:1");
  assert.equal(app?.env[2]?.value, "debug");
  assert.match(app?.env[3]?.value ?? "", /^postgres:\/\/app:\[masked:password:[0-9a-f]{4}\]@db\/shop$/);
  assert.deepEqual(app?.env[4], pod.spec.containers[0]?.env[4]);
  assert.deepEqual(app?.args.slice(2, 4), ["--level", "info"]);
  assert.equal("managedFields" in masked.metadata, false);
  assert.deepEqual(redactObject(masked), masked);
});

test("a Secret shows its keys and no value; a config map loses the files that are keys", () => {
  const secret = redactObject({ kind: "Secret", data: { user: "Ym9i" }, stringData: { pass: "hunter2" } });
  assert.deepEqual(Object.keys(secret.data), ["user"]);
  assert.doesNotMatch(JSON.stringify(secret), /Ym9i|hunter2/);
  const map = redactObject({
    kind: "ConfigMap",
    data: {
      "tls.key": "abc",
      ".dockerconfigjson": "{}",
      "app.yaml": "level: info\npassword: hunter2\n",
      "db.password": "x1",
    },
  });
  assert.doesNotMatch(JSON.stringify(map), /hunter2|"abc"|"x1"/);
  assert.match(map.data["app.yaml"], /level: info/);
});

test("odd data neither breaks nor pollutes", () => {
  const odd = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"password":"hunter2"},"a":[null,1,true]}');
  const masked = redactObject(odd);
  assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
  assert.doesNotMatch(JSON.stringify(masked), /hunter2/);
  assert.deepEqual(masked.a, [null, 1, true]);
  let deep: unknown = "password=hunter2";
  for (let i = 0; i < 5_000; i++) deep = { deep };
  assert.doesNotMatch(JSON.stringify(redactObject(deep)), /hunter2/);
  assert.equal(redactText(""), "");
});

test("text that was written to be slow is not", (t) => {
  const pieces = [
    "eyJ",
    "eyJa.",
    "-----BEGIN ",
    "-----BEGIN A-----",
    "password",
    "password=",
    "key: ",
    "a:",
    "://a:",
    "://a:b",
    'token="',
    "mysql ",
    "A1b",
    "\\",
    '"',
    "name: password\n",
    "password: |\n  a\n",
    "Basic ",
    "密码",
    "a1.",
    "@tcp(",
    "=:",
    "ghp_",
    "- ",
    "\n",
    "aA1/",
  ];
  const worst = { piece: "", ms: 0 };
  for (const piece of pieces) {
    const text = piece.repeat(Math.ceil(200_000 / piece.length));
    const began = performance.now();
    redactText(text);
    const ms = performance.now() - began;
    if (ms > worst.ms) Object.assign(worst, { piece, ms });
  }
  t.diagnostic(`worst of 200 kB: ${JSON.stringify(worst.piece)} ${worst.ms.toFixed(0)} ms`);
  assert.ok(worst.ms < 2_000, JSON.stringify(worst));
});

test("ordinary logs pass at megabytes a second", (t) => {
  const line =
    "2026-11-22T10:00:00.123Z INFO [exec-3] c.e.shop.CheckoutService - order 4711 accepted user=u42 path=/api/v1/orders/4711 took 35ms\n";
  const text = line.repeat(Math.ceil(2_000_000 / line.length));
  redactText(text.slice(0, 100_000));
  const began = performance.now();
  redactText(text);
  const rate = text.length / 1_000 / (performance.now() - began);
  t.diagnostic(`${rate.toFixed(1)} MB/s`);
  assert.ok(rate > 1, `${rate} MB/s`);
});
