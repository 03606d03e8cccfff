import { command } from "../command.ts";
import { exit } from "../exit.ts";
import { pageOptions, showList } from "./list.ts";
import { incidentDetailView, incidentView } from "./views.ts";

export const incidents = command({
  name: "incidents",
  args: ["[ID]"],
  summary: "List incidents, or show one with its evidence",
  about: "Lists the open ones unless --state says otherwise.",
  examples: ["kubectl steward incidents --since 24h --state all", "kubectl steward incidents -n payment -o wide"],
  options: {
    ...pageOptions,
    state: { type: "string", choices: ["open", "resolved", "ignored", "all"], describe: "Only in this state" },
  },
  async run([id], { state = "open", since, limit, watch }, context) {
    const api = await context.api();
    if (id !== undefined) {
      context.out.one(incidentDetailView(context.now()), await api.incident(id));
      return exit.done;
    }
    const query = { state: state === "all" ? undefined : state, namespace: context.global.namespace, since };
    return showList(context, {
      nothing: state === "all" ? "No incidents found." : `No ${state} incidents found.`,
      view: incidentView,
      limit,
      fetch: (most) => api.incidents(query, most),
      watched: watch ? async ({ incidentId }) => (incidentId === null ? null : api.incident(incidentId)) : null,
      belongs: ({ namespace }) => context.global.namespace === undefined || namespace === context.global.namespace,
    });
  },
});
