import type { Action, ActionKind, ActionOf } from "../../shared/action.ts";
import type { ActionDef } from "./definition.ts";
import { deletePod } from "./delete.ts";
import { restart } from "./restart.ts";
import { rollback } from "./rollback.ts";
import { scale } from "./scale.ts";
import { setImage } from "./set-image.ts";
import { setResources } from "./set-resources.ts";

/** Every kind of action, by its name. A new member of the union does not compile until it has its line here. */
export const actions: { readonly [K in ActionKind]: ActionDef<ActionOf<K>> } = {
  restart,
  scale,
  setResources,
  setImage,
  rollback,
  delete: deletePod,
};

/** The definition of an action's kind. The compiler cannot follow that the kind of an action picks the definition for it; the registry's type says so. */
export function definitionOf<A extends Action>(action: A): ActionDef<A> {
  return actions[action.kind] as unknown as ActionDef<A>;
}
