import type { ByteString } from "../../../ffi/bytes.ts";
import { plainPath } from "../../../ffi/paths.ts";
import type { KeyTable } from "../../config/keys.ts";
import type { IniEntry, IniSection } from "../../config/model.ts";
import { selectSection } from "../../config/scan.ts";
import { chrootshKeys } from "../../config/schemas/chrootsh.ts";
import { lshKeys } from "../../config/schemas/lsh.ts";
import { splitList } from "../../config/text.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { knownKeys, sameKeys } from "../../transfer/sections.ts";
import type { DeclaredUser } from "../model.ts";
import { formerPolicies } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import type { Rules } from "./common-places.ts";
import { commonRules, onlyTakesAway } from "./common-rules.ts";
import type { InJail } from "./in-jail.ts";
import type { Machine } from "./machine.ts";
import type { UserState } from "./user-state.ts";

/** The key table for what a user may do. */
export const policyTable = (shell: ByteString): KeyTable => (isLimitedShell(shell) ? lshKeys : chrootshKeys);

/** The keys of a declared policy, as they are written. */
export const policyKeys = (entries: readonly IniEntry[], shell: ByteString) =>
  knownKeys({ entries: [...entries] }, policyTable(shell)).keys;

/** The section of a user, for the limited shell or another one. */
const sectionOf = (name: ByteString, limited: boolean, inside: InJail, machine: Machine) =>
  limited ? inside.policyOf(name) : machine.settingsOf(name);

/** The value of the key `paths` as a declaration has it: a slash at the end of a directory means nothing for a login. Pure. */
export const plainPaths = (value: ByteString): ByteString =>
  splitList(value)
    .map((path) => (path.startsWith("/") ? plainPath(path) : path))
    .join(", ");

/** The keys of a section; one that the table does not know is not declared. */
function keysOf(section: IniSection | undefined, shell: ByteString): Rules | undefined {
  const found = section && knownKeys(section, policyTable(shell));
  if (found === undefined) return undefined;
  const paths = found.keys.get("paths");
  if (paths !== undefined) found.keys.set("paths", plainPaths(paths));
  return new Map([...found.keys, ...found.others.map((key) => [key, ""] as const)]);
}

/** Whether a section of the limited shell, or of the other one, has what is declared of its user, and nothing else. Pure. */
export function isAsDeclared(section: IniSection, { policy = [], shell }: DeclaredUser): boolean {
  const there = keysOf(section, shell);
  return there !== undefined && sameKeys(there, policyKeys(policy, shell));
}

/** What a user may do, what is declared of it, and which sections are there that were declared once. */
export function policyState(
  declared: DeclaredUser,
  inside: InJail,
  machine: Machine,
  once: OnceUser | undefined,
) {
  const { name, shell, policy } = declared;
  const isKnown = (limited: boolean) => !limited || inside.hasPolicies;
  // As formerPolicies has them.
  const former =
    once === undefined
      ? []
      : formerPolicies(declared, once).filter(
          (limited) => isKnown(limited) && sectionOf(name, limited, inside, machine) !== undefined,
        );
  const isLimited = isLimitedShell(shell);
  if (policy === undefined || !isKnown(isLimited))
    return { policy: undefined, wantedPolicy: undefined, former };
  const there = keysOf(sectionOf(name, isLimited, inside, machine), shell);
  return { policy: there, wantedPolicy: policyKeys(policy, shell), former };
}

/** As in UserState; undefined if the section neither differs nor goes. */
export function commonPolicy(
  declared: DeclaredUser,
  account: PasswdEntry,
  inside: InJail,
  machine: Machine,
  { policy, wantedPolicy, former }: ReturnType<typeof policyState>,
): UserState["commonPolicy"] {
  const { name, shell } = declared;
  const isLimited = isLimitedShell(shell);
  const [goes, hasOther] = [isLimited, !isLimited].map((limited) => former.includes(limited));
  if (wantedPolicy === undefined ? !goes : policy !== undefined && sameKeys(policy, wantedPolicy))
    return undefined;
  const groups = new Set(machine.facts.groupsOf(account).map((gid) => machine.facts.groupByGid(gid)?.name));
  const primary = machine.accounts.groupByGid(account.gid)?.name ?? "";
  const sections = isLimited ? inside.policies : machine.settings;
  // What counts without a section of its own.
  const others = sections.filter((one) => one.name !== account.name);
  const instead = keysOf(
    selectSection(
      { sections: others },
      account.name,
      primary,
      (group) => group === primary || groups.has(group),
    ),
    shell,
  );
  const now = keysOf(sectionOf(name, isLimited, inside, machine), shell) ?? instead ?? new Map();
  const wanted = wantedPolicy ?? instead ?? new Map();
  const table = policyTable(shell);
  const keys = onlyTakesAway(now, wanted, table) ? wanted : commonRules(now, wanted, table);
  const isWhole = sameKeys(keys, wanted) && !hasOther;
  return { takes: isWhole ? "all" : sameKeys(keys, now) ? undefined : "part", keys };
}
