/** All that is used of Slack's SDK at run time. Loaded late, by `import()` of this file: names of a CommonJS package are only safe to import from a file. */
export { App, SocketModeReceiver, webApi } from "@slack/bolt";
