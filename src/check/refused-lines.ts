import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import { unlessRefused } from "../system/name-services.ts";
import type { AccountFacts } from "./account-facts.ts";
import type { CheckFinding } from "./rules.ts";

// Fields without a hash; see crypt(5).
const NO_PASSWORD = /^(?:|x|\*.*|!.*|[A-Za-z0-9_-]{1,3})$/;

/** True if the second field of a line is a hash. */
export const isHash = (password: ByteString): boolean => !NO_PASSWORD.test(password);

/** The finding about a hash in a line of a jail's passwd, if it has one. */
export function hashFindings({ name, password }: PasswdEntry, jail: ByteString): CheckFinding[] {
  if (!isHash(password)) return [];
  const message = `user ${display(name)} has a password hash in jail ${display(jail)}/`;
  const repair = { kind: "password", user: name } as const;
  return [{ rule: "password-hash", path: `${jail}/etc/passwd`, message, repair }];
}

/**
 * The lines of a jail's account files whose names a name service does not take, and the findings about them. Nothing says that
 * such a name is nobody's, so no remedy takes its line out.
 */
export function refusedLines(
  { jail, hostUser, hostGroup, hostGroupNumbered }: AccountFacts,
  users: readonly (PasswdEntry | undefined)[],
  groups: readonly (GroupEntry | undefined)[],
): { readonly lines: ReadonlySet<PasswdEntry | GroupEntry>; readonly findings: CheckFinding[] } {
  const lines = new Set<PasswdEntry | GroupEntry>();
  const findings: CheckFinding[] = [];
  const where = `jail ${display(jail)}/`;
  for (const user of users) {
    if (user === undefined) continue;
    const { refusal } = unlessRefused(() => hostUser(user.name));
    if (refusal === undefined) continue;
    const [path, what] = [`${jail}/etc/passwd`, `user ${display(user.name)} in ${where}`];
    lines.add(user);
    findings.push(...hashFindings(user, jail));
    if (user.uid === 0) findings.push({ rule: "extra-root", path, message: `${what} has uid 0, like root` });
    findings.push({ rule: "user-unknown", path, message: `${what} is not known: ${refusal}` });
  }
  for (const group of groups) {
    if (group === undefined) continue;
    const { refusal } = unlessRefused(() => hostGroup(group.name));
    if (refusal === undefined) continue;
    lines.add(group);
    if (hostGroupNumbered(group.gid)?.name === group.name) continue;
    const message = `group ${display(group.name)} in ${where} is not known: ${refusal}`;
    findings.push({ rule: "group-unknown", path: `${jail}/etc/group`, message });
  }
  return { lines, findings };
}
