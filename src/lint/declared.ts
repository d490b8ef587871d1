import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { adviceText, type Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import type { Fix, IniEntry, IniFile, Problem } from "../config/model.ts";
import { jailOf } from "../config/schemas/catalogue.ts";
import { adviceInstead } from "../declaration/bring.ts";
import type { FaultText } from "../declaration/change.ts";
import { exchangedOf } from "../declaration/compare/exchanged.ts";
import { isAsDeclared } from "../declaration/compare/look-policy.ts";
import { renamedFault } from "../declaration/compare/lost-name.ts";
import { isUsual } from "../declaration/known-file.ts";
import { renamedProblem } from "../declaration/machine-place.ts";
import type { DeclaredUser } from "../declaration/model.ts";
import { readOnce } from "../declaration/once.ts";
import type { OnceUser } from "../declaration/once-shape.ts";
import { type Found, WrittenSections } from "../declaration/written-sections.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";

const APPLY: Fix = { kind: "command", text: "jailkit apply" };

/** A problem, and the file that it is in. */
interface Placed {
  readonly problem: Problem;
  readonly ini: IniFile;
}

/**
 * Where problems in jk_lsh.ini and jk_chrootsh.ini are to be fixed: `jailkit apply` writes the sections of declared users,
 * and would write there again what somebody has changed.
 */
export class DeclaredSections {
  readonly #written = new WrittenSections();
  #exchanged: ReturnType<typeof exchangedOf> | undefined;

  /** The same problem in the declaration, with a fix for that, if its line comes from there. */
  placed(problem: Problem, ini: IniFile): Placed {
    const section = ini.sections.find(
      ({ file, line, entries }) =>
        file === problem.file &&
        (line === problem.line || entries.some((entry) => entry.line === problem.line)),
    );
    // Of equal names the first counts, and no declaration has written the other one.
    if (section && ini.sections.find(({ name }) => name === section.name) !== section)
      return { problem: this.#brought(problem), ini };
    const absent = section && problem.code === "unknown-user" && this.#absent(section.name, ini.file);
    if (absent)
      return { problem: lacking(problem, absent.user, ini.file, this.#otherOf), ini: absent.declared };
    const once = section && problem.code === "unknown-user" && this.#formerly(section.name, ini.file);
    if (once) return { problem: leftOver(problem, once), ini };
    const found = section && this.#written.userOf(section.name, ini.file);
    if (section === undefined || found === undefined) {
      const fix = section && this.#fixOfFormer(section.name, ini.file, problem.fix);
      return { problem: fix ? { ...problem, fix } : this.#brought(problem), ini };
    }
    const { user, declared } = found;
    const there = section.entries.find(({ line }) => line === problem.line);
    const entry = user.policy?.find(({ key }) => key === there?.key);
    // The rest may wait for an error: what the section lacks, or has still, is no fault of the declaration.
    if (!isAsDeclared(section, user)) {
      const severity = there !== undefined && entry?.value === there.value ? "warning" : problem.severity;
      return { problem: { ...problem, fix: APPLY, severity }, ini };
    }
    if (section.line === problem.line) {
      // The header of a declaration has another form.
      const fix: Fix = problem.fix?.kind === "line" ? { kind: "none" } : fixInSection(problem.fix, user);
      const { file, line, column } = user.place;
      return { problem: { ...problem, file, line, column, fix, severity: "warning" }, ini: declared };
    }
    if (there === undefined || entry === undefined) return { problem, ini };
    const placed = this.#brought(atEntry(problem, there, entry, user));
    return { problem: { ...placed, severity: "warning" }, ini: declared };
  }

  /** With the line of the declaration instead of a command that brings a program into its jail. */
  #brought(problem: Problem): Problem {
    const { fix } = problem;
    if (fix?.kind !== "command") return problem;
    const text = adviceInstead(adviceText(fix.text), this.#written.declared?.jails);
    return text === undefined ? problem : { ...problem, fix: { kind: "command", text } };
  }

  readonly #isDeclared = (name: ByteString): boolean => this.#written.declared?.users.has(name) === true;

  /** Why another account may be the one that a section means. Throws JailkitError. */
  readonly #otherOf = (user: DeclaredUser): FaultText | undefined => {
    const [accounts, isDeclared] = [hostAccounts(), this.#isDeclared];
    // It looks at all homes.
    this.#exchanged ??= exchangedOf(readOnce(), accounts);
    const doubt = this.#exchanged.doubt(user, (name) => this.#written.declared?.users.get(name));
    if (doubt !== undefined) return doubt;
    using root = openJailRoot(user.jail);
    return renamedFault(user, readJailAccounts(root), { accounts, isDeclared });
  };

  /** A declared user whom this machine, or the jail that the file is in, lacks until `jailkit apply` runs. */
  #absent(name: ByteString, file: ByteString): Found | undefined {
    const found = this.#written.named(name);
    const jail = jailOf(file) ?? found?.user.jail;
    return found !== undefined && jail === found.user.jail && comesBack(found.user) ? found : undefined;
  }

  /** A user of a name that was declared once, and is not any more. */
  #formerly(name: ByteString, file: ByteString): OnceUser | undefined {
    if (this.#written.declared?.users.has(name) !== false) return undefined;
    const once = this.#written.once.get(name);
    return once && (jailOf(file) ?? once.jail) === once.jail ? once : undefined;
  }

  /** The fix for what is in a section that was declared once, and is not here any more: it goes. Undefined for another section. */
  #fixOfFormer(name: ByteString, file: ByteString, fix: Fix | undefined): Fix | undefined {
    const former = this.#written.formerFix(name, file);
    if (former === undefined) return undefined;
    if (former === "by hand") return fix?.kind === "in-section" ? { kind: "none" } : fix;
    return { kind: "command", text: former };
  }
}

/** Whether `jailkit apply` makes the account, or its line in the jail: what a directory lacks it does not. */
const comesBack = ({ name, directory }: DeclaredUser): boolean =>
  !directory || answered(() => hostUser(name)) !== undefined;

/** What is left of a user: another one who was meant by a name like this would get rights that nobody declares. */
function leftOver(problem: Problem, { name, file }: OnceUser): Problem {
  const message = `the user ${quoted(name)}, who has no account, is no longer declared, and the section is left`;
  const text: Remedy = `jailkit apply --prune${isUsual(file) ? "" : ` ${operands(file)}`}`;
  return { ...problem, message, fix: { kind: "command", text }, severity: "warning" };
}

/** The declaration is right: it is the machine that lacks the user, unless somebody has given the account another name. */
function lacking(
  problem: Problem,
  user: DeclaredUser,
  of: ByteString,
  otherOf: (user: DeclaredUser) => FaultText | undefined,
): Problem {
  const { name, place } = user;
  const renamed = answered(() => otherOf(user));
  const section = place.section;
  if (renamed !== undefined && section !== undefined) {
    const { file, line, column } = section;
    return { ...problem, file, line, column, ...renamedProblem(name, renamed) };
  }
  const { file, line, column } = place;
  const message = `the user ${quoted(name)} is declared, and ${quoted(`${jailOf(of) ?? ""}/etc/passwd`)} lacks the account`;
  return { ...problem, ...{ file, line, column, message }, fix: APPLY, severity: "warning" };
}

/** The same fix for the section that declares a user: without the whole section the user would be gone. */
export function fixInSection(fix: Fix | undefined, { name }: DeclaredUser): Fix {
  if (fix?.kind === "in-section") return { ...fix, section: `user ${name}` };
  return fix === undefined || fix.kind === "disable-section" ? { kind: "none" } : fix;
}

/** What fits the line there fits the same line here. */
function atEntry(problem: Problem, there: IniEntry, entry: IniEntry, user: DeclaredUser): Problem {
  const { file, line, valueColumn } = entry;
  const isInValue = problem.column >= there.valueColumn;
  const column = isInValue ? problem.column - there.valueColumn + valueColumn : entry.column;
  const fix = problem.fix && fixInSection(problem.fix, user);
  return { ...problem, file, line, column, fix };
}
