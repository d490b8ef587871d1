import { joinHome } from "../system/separator.ts";
import { readShape } from "../transfer/shape.ts";
import { MAY_BE_OTHER } from "./ids.ts";
import { ONCE, type Once } from "./once-shape.ts";

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** With what a run that was killed has begun. */
export function withAdded(once: Once, added: readonly unknown[]): Once {
  if (added.length === 0) return once;
  const jails = new Map(once.jails.map((jail) => [jail.path, jail]));
  const users = new Map(once.users.map((user) => [user.name, user]));
  for (const line of added) {
    const begun = readShape(identified({ ...(line as Fields), kept: [] }), ONCE);
    for (const jail of begun.jails) jails.set(jail.path, jail);
    for (const user of begun.users) users.set(user.name, user);
  }
  return { ...once, jails: [...jails.values()], users: [...users.values()] };
}

const records = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value : []);

/** The content of version 1, which did not know all of it, or 2: in both, homes are as the jail sees them. */
export const completed = ({ jails, users, ...rest }: Fields) => ({
  ...{ kept: [], ...rest },
  jails: records(jails).map((jail) => ({ live: [], logSocket: false, proc: false, ...jail })),
  users: records(users).map(({ jail, createdHome: home, ...user }) => ({
    ...{ left: [], out: false, jail, ...user },
    createdHome: typeof home === "string" ? joinHome(`${jail}`, home) : home,
  })),
});

/** An earlier version did not say which jail and which account that was. */
export const identified = ({ jails, users, ...rest }: Fields) => ({
  ...rest,
  jails: Array.isArray(jails) ? jails.map((jail) => ({ directoryId: MAY_BE_OTHER, ...jail })) : jails,
  users: Array.isArray(users) ? users.map((user) => ({ homeId: MAY_BE_OTHER, ...user })) : users,
});
