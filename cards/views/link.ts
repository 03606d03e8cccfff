import { visible } from "../../shared/text.ts";
import type { Link } from "../card.ts";
import type { IncidentFacts, View } from "./view.ts";

/**
 * The only links a card has: https, to a host that the operator named, from three known places of the alert. Everything else stays text, and
 * the whole address is shown, so that nobody is led anywhere by a label.
 */
export function alertLinks({ incident, alerts }: IncidentFacts, { words, linkHosts }: View): Link[] {
  const [alert] = alerts;
  const annotations = alert?.annotations ?? incident.annotations;
  const offered: readonly [string, string | undefined][] = [
    [words.link.runbook, annotations["runbook_url"]],
    [words.link.dashboard, annotations["dashboard_url"]],
    [words.link.source, alert?.generatorUrl],
  ];
  return offered.flatMap(([label, address]) => {
    const url = allowedUrl(address, linkHosts);
    return url === null ? [] : [{ label, url }];
  });
}

function allowedUrl(address: string | undefined, hosts: ReadonlySet<string>): string | null {
  if (address === undefined || !URL.canParse(address)) return null;
  const url = new URL(address);
  const plainHttps = url.protocol === "https:" && url.username === "" && url.password === "";
  const named = hosts.has(url.hostname) || hosts.has(url.host);
  return plainHttps && named && url.href.length <= 600 && visible.test(url.href) ? url.href : null;
}
