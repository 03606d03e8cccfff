/** Secrets known by their own look. `gate` is a text without which the pattern cannot match: most text never meets the pattern. */
export interface Shape {
  kind: string;
  gate: readonly string[];
  /** Linear: one start for each run of its characters, by the look-behind. Group 1, where there is one, is the part to mask. */
  pattern: RegExp;
  /** Tells a secret from a word that stands in its place (`Bearer authentication`). */
  accept: (value: string) => boolean;
}

const at = "(?<![A-Za-z0-9_-])";
const shape = (
  kind: string,
  gate: string | readonly string[],
  pattern: string,
  accept: (value: string) => boolean = () => true,
): Shape => ({ kind, gate: typeof gate === "string" ? [gate] : gate, pattern: new RegExp(pattern, "g"), accept });

const drawn = (value: string) => /\d/.test(value) || value.length >= 32;
const namesUser = (value: string) => /^[\x20-\x7e]+$/.test(decoded(value)) && decoded(value).includes(":");

function decoded(value: string): string {
  return Buffer.from(value, "base64").toString("latin1");
}

/** Sources: the vendors' own documents and GitHub's list of secret scanning patterns; the Chinese clouds and chat platforms from theirs. */
export const shapes: readonly Shape[] = [
  shape("jwt", "eyJ", `${at}eyJ[\\w-]{8,}\\.[\\w-]{8,}(?:\\.[\\w-]*)*`),
  shape("aws-key", ["AKIA", "ASIA"], `${at}(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])`),
  shape("aliyun-key", "LTAI", `${at}LTAI[A-Za-z0-9]{12,26}(?![0-9A-Za-z])`),
  shape("aliyun-sts", "STS.", `${at}STS\\.[A-Za-z0-9]{16,}`),
  shape("tencent-key", "AKID", `${at}AKID[A-Za-z0-9]{13,48}(?![0-9A-Za-z])`),
  shape("volcengine-key", "AKLT", `${at}AKLT[A-Za-z0-9]{16,64}(?![0-9A-Za-z])`),
  shape("baidu-key", "ALTAK", `${at}ALTAK[A-Za-z0-9]{16,40}(?![0-9A-Za-z])`),
  shape("google-key", "AIza", `${at}AIza[\\w-]{35}`),
  shape("google-token", "ya29.", `${at}ya29\\.[\\w-]{20,}`),
  shape("github-token", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], `${at}gh[pousr]_[A-Za-z0-9]{30,}`),
  shape("github-token", "github_pat_", `${at}github_pat_\\w{20,}`),
  shape("gitlab-token", ["glpat-", "glrt-", "gldt-", "glptt-"], `${at}gl(?:pat|rt|dt|ptt)-[\\w-]{16,}`),
  shape("slack-token", ["xox", "xapp-"], `${at}(?:xox[abeoprsc]|xapp)-[A-Za-z0-9.-]{10,}`),
  shape("slack-hook", "hooks.slack.com/", "hooks\\.slack\\.com/(?:services|workflows|triggers)/([\\w/+-]{16,})"),
  shape("dingtalk-sign", "SEC", `${at}SEC[0-9a-f]{64}(?![0-9A-Za-z])`),
  shape("feishu-hook", "/open-apis/bot/", "/open-apis/bot/(?:v2/)?hook/([\\w-]{16,})"),
  shape("wecom-hook", "cgi-bin/webhook/send", "cgi-bin/webhook/send\\?key=([\\w-]{16,})"),
  shape("discord-hook", "/api/webhooks/", "/api/webhooks/\\d{10,22}/([\\w-]{20,})"),
  shape("telegram-token", ":AA", `${at}(\\d{8,10}:AA[\\w-]{30,})`),
  shape("openai-key", "sk-", `${at}sk-[\\w-]{20,}`),
  shape("huggingface-token", "hf_", `${at}hf_[A-Za-z0-9]{20,}`),
  shape("npm-token", "npm_", `${at}npm_[A-Za-z0-9]{30,}`),
  shape("pypi-token", "pypi-", `${at}pypi-[\\w-]{40,}`),
  shape("stripe-key", ["k_live_", "k_test_", "whsec_"], `${at}(?:[rsp]k_(?:live|test)_|whsec_)[A-Za-z0-9]{10,}`),
  shape("vault-token", ["hvs.", "hvb.", "hvr."], `${at}hv[sbr]\\.[\\w-]{20,}`),
  shape("grafana-token", ["glsa_", "glc_"], `${at}gl(?:sa|c)_[\\w+/=-]{20,}`),
  shape("sendgrid-key", "SG.", `${at}SG\\.[\\w-]{16,}\\.[\\w-]{16,}`),
  shape("digitalocean-token", ["dop_v1_", "doo_v1_"], `${at}do[op]_v1_[0-9a-f]{32,}`),
  shape("docker-token", "dckr_", `${at}dckr_(?:pat|oat)_[\\w-]{20,}`),
  shape("databricks-token", "dapi", `${at}dapi[0-9a-f]{32}(?![0-9A-Za-z])`),
  shape("atlassian-token", "ATATT", `${at}ATATT[\\w=-]{20,}`),
  shape("age-key", "AGE-SECRET-KEY-", `${at}AGE-SECRET-KEY-1[0-9A-Z]{40,}`),
  shape("sentry-dsn", "@", "https://([0-9a-f]{32})(?::[0-9a-f]{32})?@"),
  shape("bearer", ["earer ", "EARER "], `${at}[Bb](?:earer|EARER) +([\\w.~+/=-]{8,})`, drawn),
  shape("basic", ["asic ", "ASIC "], `${at}[Bb](?:asic|ASIC) +([A-Za-z0-9+/]{8,}={0,2})(?![\\w-])`, namesUser),
  // user:password in a URL; the password may hold what should have been encoded, up to the last @ of the authority.
  shape("password", "://", "://[^/\\s:@\"'<>?#[]{0,128}:([^\\s/\"'<>`]{1,256})@(?=[\\w[])"),
  shape("credential", "://", "://([^/\\s:@\"'<>?#[]{20,256})@(?=[\\w[])", drawn),
  shape("password", ["@tcp(", "@unix("], "(?<![^\\s\"'=])[\\w.-]{1,64}:([^\\s\"'/]{1,256})@(?:tcp|unix)\\("),
  shape("password", ["curl", "--user"], "(?<![\\w-])(?:-u|--user)[ =]+[\"']?[^\\s:\"']{1,64}:([^\\s\"']{1,256})"),
  shape("password", ["mysql", "mariadb"], "(?:mysql|mariadb)\\w{0,10} [^\\n|;&]{0,80}?-p([^\\s-][^\\s\"']{0,127})"),
  shape("password", ["sshpass", "redis-cli"], "(?:sshpass -p|redis-cli [^\\n|;&]{0,80}?-a) ?[\"']?([^\\s\"']{1,128})"),
  shape(
    "password",
    ["dentified by", "DENTIFIED BY"],
    "[Ii](?:dentified by|DENTIFIED BY) +(?:PASSWORD +)?[\"']([^\"'\\n]{1,256})",
  ),
  shape("bootstrap-token", ".", `${at}(?=[a-z]{0,5}\\d)([a-z0-9]{6}\\.(?=[a-z]{0,15}\\d)[a-z0-9]{16})(?![\\w.-])`),
];
