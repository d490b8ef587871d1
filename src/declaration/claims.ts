import type { ByteString } from "../../ffi/bytes.ts";
import { readKeys } from "../config/keys.ts";
import type { IniSection } from "../config/model.ts";
import { userKeys } from "../config/schemas/jails.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { uidIn } from "../users/new-account.ts";
import type { Claims } from "./compare/home-differs.ts";
import { subjectOf } from "./section.ts";

const found = new WeakMap<readonly IniSection[], ReturnType<Claims["claimants"]>>();

/** What the sections of users claim: see Claims. Each of thousands of users may ask. */
export const claimsOf = (sections: readonly IniSection[]): ReturnType<Claims["claimants"]> =>
  found.getOrInsertComputed(sections, findClaims);

function findClaims(sections: readonly IniSection[]): ReturnType<Claims["claimants"]> {
  return sections.flatMap((section) => {
    const subject = subjectOf(section);
    if (subject?.kind !== "user") return [];
    const { name } = subject;
    const { directory, jail = "", home, uid = "" } = readKeys(section, userKeys);
    const keeps = directory && home === undefined ? (["home"] as const) : undefined;
    return { name, jail, home: home ?? usualHome(name), keeps, uid: uidIn(uid) };
  });
}

/** Where a user of some sections is declared; of another file that is not known. */
export function declaredPlace(name: ByteString, sections: readonly IniSection[]) {
  for (const section of sections) {
    const subject = subjectOf(section);
    if (subject?.kind !== "user" || subject.name !== name) continue;
    const { directory = false, jail = "", uid = "", home = usualHome(name) } = readKeys(section, userKeys);
    return { name, jail, home, directory, uid: uidIn(uid), place: { ...subject, section } };
  }
  return {};
}
