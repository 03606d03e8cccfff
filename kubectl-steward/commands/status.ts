import type { Api } from "../api.ts";
import { command } from "../command.ts";
import { exit, Failure } from "../exit.ts";
import type { Paint } from "../output.ts";
import { until } from "./views.ts";

/** So many are counted; nobody reads a larger number differently. */
const maxPage = 1000;

export const status = command({
  name: "status",
  args: [],
  summary: "Say how Steward is, and what waits",
  about: "Exits 1 when the bot is not ready. Open incidents, approvals and pauses are shown when you are signed in.",
  options: {},
  async run(_words, _options, { api: connect, out, now }) {
    const api = await connect();
    const readiness = await api.readyz();
    const waiting = await whatWaits(api);
    const answer = {
      ...readiness,
      where: api.where,
      openIncidents: waiting?.incidents ?? null,
      pendingApprovals: waiting?.approvals ?? null,
      pauses: waiting?.stopSwitch.pauses ?? null,
      breakerOpenSince: waiting?.stopSwitch.breakerOpenSince ?? null,
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
    if (waiting === null) out.say("Sign in to see what waits: kubectl steward login");
    return readiness.ready ? exit.done : exit.failed;
  },
});

/** null for who is not signed in, or no longer: how the bot is may be known all the same. */
async function whatWaits(api: Api) {
  if (!(await api.signedIn())) return null;
  try {
    const [incidents, approvals, stopSwitch] = await Promise.all([
      api.incidents({ state: "open" }, maxPage),
      api.approvals({ state: "pending" }, maxPage),
      api.stopSwitch(),
    ]);
    return { incidents: incidents.length, approvals: approvals.length, stopSwitch };
  } catch (error) {
    if (error instanceof Failure && error.code === exit.notSignedIn) return null;
    throw error;
  }
}

function mark(ok: boolean, paint: Paint): string {
  return ok ? paint("good", "✔") : paint("bad", "✘");
}
