import { insideJail, jailsAround } from "../../jail/record/around.ts";
import type { Declaration } from "../model.ts";
import type { Note } from "./former-jails.ts";
import type { Machine } from "./machine.ts";

/** Warnings about declared jails in others. */
export function insides({ jails }: Declaration, { byJail }: Pick<Machine, "byJail">): Note[] {
  const declared = new Set(jails.map(({ path }) => path));
  const jailAround = jailsAround();
  return jails.flatMap(({ path: name }) => {
    const outer = jailAround(name, (path) => declared.has(path) || byJail.has(path));
    return outer === undefined ? [] : [{ of: "jail", name, message: insideJail(name, outer) } as const];
  });
}
