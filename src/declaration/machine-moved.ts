import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { readKeys } from "../config/keys.ts";
import type { IniSection } from "../config/model.ts";
import { userKeys } from "../config/schemas/jails.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { once } from "./compare/machine.ts";
import type { MayBeMoved } from "./compare/may-be-moved.ts";
import type { FactContext } from "./machine-facts.ts";
import type { Subject } from "./section.ts";

interface Declaring {
  readonly section: IniSection;
  readonly subject: Subject;
}

/** The declared jails that are not there, and may be ones that nothing declares any more; found when somebody asks first. */
export const mayBeMovedAmong = (
  sections: readonly Declaring[],
  { facts, declared, users, isOwnFile }: Pick<FactContext, "facts" | "declared" | "users" | "isOwnFile">,
): (() => readonly MayBeMoved[]) =>
  once(() => {
    const jails = sections.flatMap(({ subject }) =>
      subject.kind === "jail" ? { path: subject.name, place: subject } : [],
    );
    const own = sections.flatMap(({ section, subject }) => {
      const { name, kind } = subject;
      const { directory = false, jail = "", home = usualHome(name) } = readKeys(section, userKeys);
      return kind === "user" && jail !== "" ? { name, jail, home, directory, place: subject } : [];
    });
    const isLeft = { jail: new Set(declared), user: users };
    const isLeaving = (kind: Subject["kind"], name: string, file: string) =>
      !isLeft[kind].has(name) && isOwnFile(file);
    return answered(() => facts.mayBeMoved({ jails, users: own }, isLeaving)) ?? [];
  });

/** Reports a jail of these, of which nothing else tells where it is. Returns whether it is one. */
export function reportMayBeMoved(
  subject: Subject,
  { facts, report, mayBeMoved }: Pick<FactContext, "facts" | "report" | "mayBeMoved">,
): boolean {
  const fault = mayBeMoved().find(({ jail }) => jail === subject.name)?.fault;
  if (fault === undefined) return false;
  const isThere = answered(() => facts.exists(subject.name)) !== false;
  if (answered(() => (isThere ? facts.movedFault(subject.name) : facts.absentFault(subject.name))))
    return false;
  const message = `the jail ${quoted(subject.name)}: ${fault.message}`;
  report(subject, "error", "moved", message, { kind: "none" });
  return true;
}
