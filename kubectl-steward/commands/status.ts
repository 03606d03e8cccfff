import { command } from "../command.ts";
import { exit } from "../exit.ts";
import type { Paint } from "../output.ts";
import { until } from "./views.ts";

export const status = command({
  name: "status",
  args: [],
  summary: "Say how Steward is, and what waits",
  about: "Exits 1 when the bot is not ready. Open incidents, approvals and pauses are shown when you are signed in.",
  options: {},
  async run(_words, _options, { api: connect, out, now }) {
    const api = await connect();
    const readiness = await api.readyz();
    const signedIn = await api.signedIn();
    const [incidents, approvals, stopSwitch] = signedIn
      ? await Promise.all([
          api.incidents({ state: "open" }, 1000),
          api.approvals({ state: "pending" }, 1000),
          api.stopSwitch(),
        ])
      : [null, null, null];
    const answer = {
      ...readiness,
      where: api.where,
      openIncidents: incidents?.length ?? null,
      pendingApprovals: approvals?.length ?? null,
      pauses: stopSwitch?.pauses ?? null,
      breakerOpenSince: stopSwitch?.breakerOpenSince ?? null,
    };
    out.answer("Status", answer, (status, paint) => [
      `${mark(status.ready, paint)} ${paint("strong", `Steward ${status.version}`)} ${status.state}  ${paint("quiet", status.where)}`,
      ...status.checks.map(({ name, ok, text }) => `  ${mark(ok, paint)} ${name}: ${text}`),
      ...status.links.map(
        ({ name, state, detail }) =>
          `  ${mark(state === "connected", paint)} ${name}: ${state}${detail === null ? "" : `, ${detail}`}`,
      ),
      ...(status.openIncidents === null
        ? []
        : [`  ${status.openIncidents} open incidents, ${status.pendingApprovals} pending approvals`]),
      ...(status.pauses ?? []).map(
        ({ namespace, autofixOnly, reason, by, until: end }) =>
          `  ${paint("warning", "paused")} ${autofixOnly ? "automatic runs" : "all changes"} in ${namespace ?? "the whole cluster"} by ${by}${end === null ? "" : `, ends ${until(end, now())}`}: ${reason}`,
      ),
      ...(status.breakerOpenSince === null
        ? []
        : [`  ${paint("warning", "automatic runs are off")} since ${status.breakerOpenSince}: too many failed`]),
    ]);
    if (!signedIn) out.say("Sign in to see what waits: kubectl steward login");
    return readiness.ready ? exit.done : exit.failed;
  },
});

function mark(ok: boolean, paint: Paint): string {
  return ok ? paint("good", "✔") : paint("bad", "✘");
}
