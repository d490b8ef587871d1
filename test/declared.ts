import type { DeclaredJail, DeclaredUser } from "../src/declaration/model.ts";

/** What counts of declared jails and users: all but where it is written. */
export const meant = (jails: readonly DeclaredJail[], users: readonly DeclaredUser[]) => ({
  jails: jails.map(({ place: _, ...jail }) => jail),
  users: users.map(({ place: _, policy, keeps = [], ...user }) => ({
    ...user,
    keeps,
    policy: policy?.map(({ key, value }) => [key, value]),
  })),
});
