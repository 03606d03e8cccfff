import type { World } from "./behaviour.ts";
export function demoWorld(): World {
  return {};
}
