import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { describedBy } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { jailOf, kindOf } from "../config/schemas/catalogue.ts";
import { confineKeys } from "../config/schemas/confine.ts";
import { policyKeys } from "../config/schemas/jails.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { adviceInstead } from "./bring.ts";
import { isAsDeclared } from "./compare/look-policy.ts";
import { isUsual } from "./known-file.ts";
import type { DeclaredUser } from "./model.ts";
import { policiesIn, policiesOf, readOnce } from "./once.ts";
import type { OnceUser } from "./once-shape.ts";
import { type Declared, declaredHere } from "./read.ts";

/** Of one that is declared no more, the section goes with it. */
type Apply = "jailkit apply" | "jailkit apply --prune";

/** A declared user, and the files that declare it. */
export interface Found {
  readonly user: DeclaredUser;
  readonly declared: IniFile;
}

/** A remedy that the next run does not undo, and the end of the message. */
export interface Instead {
  readonly remedy: Remedy;
  readonly note: string;
}

/** Lines for a section of a file. */
interface Lines {
  readonly section: ByteString;
  readonly file: ByteString;
  readonly lines: readonly ByteString[];
}

/** The lines that a remedy writes into a section, or adds with one; undefined for another remedy. */
function linesOf(remedy: ByteString): Lines | undefined {
  const [, section, file, lines] = /^in section \[([^\]\n]*)\] of ([^\n]*) write:\n(.+)$/s.exec(remedy) ?? [];
  if (section !== undefined && file !== undefined && lines !== undefined)
    return { section, file, lines: lines.split("\n") };
  const [, to, header, more] = /^add these lines to ([^\n]*):\n\[([^\]\n]*)\]\n(.+)$/s.exec(remedy) ?? [];
  return to === undefined || header === undefined || more === undefined
    ? undefined
    : { section: header, file: to, lines: more.split("\n") };
}

const keyOf = (line: ByteString): ByteString => /^ *([^ =]*)/.exec(line)?.[1] ?? "";

/** Whether `jailkit apply` writes sections of such a file of a jail, or of the machine. */
function isWritten(file: ByteString): boolean {
  const name = kindOf(file)?.name;
  return jailOf(file) === undefined ? name === "jk_chrootsh" : name === "jk_lsh";
}

const inSection = (section: ByteString, file: ByteString, lines: readonly ByteString[]): Instead => ({
  remedy: `in section [${section}] of ${file} write:\n${lines.join("\n")}`,
  note: "; 'jailkit apply' writes that section: type it after these lines",
});
const byApply = (remedy: Apply): Instead => ({ remedy, note: "" });

/** The sections of other files that `jailkit apply` writes, and would write again: of users, and of the log sockets of jails. */
export class WrittenSections {
  #once: ReadonlyMap<ByteString, OnceUser> | undefined;
  #read: { readonly declared: Declared | undefined } | undefined;

  /** What files declare; undefined if one cannot be read. */
  get declared(): Declared | undefined {
    this.#read ??= { declared: declaredHere() };
    return this.#read.declared;
  }

  /** What was declared once of users; none if that cannot be read. */
  get once(): ReadonlyMap<ByteString, OnceUser> {
    this.#once ??= new Map((answered(() => readOnce().users) ?? []).map((user) => [user.name, user]));
    return this.#once;
  }

  /** The declared user of a name. */
  named(name: ByteString): Found | undefined {
    const user = this.declared?.users.get(name);
    return this.declared === undefined || user === undefined
      ? undefined
      : { user, declared: this.declared.ini };
  }

  /** The user whose section it is, if rights are declared that are in this file. */
  userOf(name: ByteString, file: ByteString): Found | undefined {
    const found = this.named(name);
    return found?.user.policy !== undefined && isPlaceOf(found.user, file) ? found : undefined;
  }

  /** What removes a section that was declared once, and is not here any more; "by hand": a named file declared it. */
  formerFix(name: ByteString, file: ByteString): Apply | "by hand" | undefined {
    const [once, jail] = [this.once.get(name), jailOf(file)];
    if (this.declared === undefined || once === undefined) return undefined;
    const had = jail === undefined ? policiesOf(once).includes(false) : policiesIn(jail, once).includes(true);
    if (!had) return undefined;
    const user = this.declared.users.get(name);
    // What a named file declares is not known here: nothing is added to it.
    if (user === undefined && !isUsual(once.file)) return "by hand";
    const isLeft = user !== undefined && jail !== undefined && jail !== user.jail;
    return isLeft ? "jailkit apply" : "jailkit apply --prune";
  }

  /**
   * What to do in place of lines for a section, be it after a command that brings something into a jail; undefined for what the next
   * run leaves alone.
   */
  instead(remedy: ByteString): Instead | undefined {
    const [, bring, rest] = /^([^\n]*); then (in section .*)$/s.exec(remedy) ?? [];
    const lines = linesOf(rest ?? remedy);
    const found = lines && (this.#ofSocket(lines) ?? this.#ofUser(lines));
    if (found === undefined || bring === undefined) return found;
    const advice = adviceInstead(bring, this.declared?.jails) ?? bring;
    return typeof advice === "string"
      ? { ...found, remedy: `${advice}; then ${found.remedy}` as Remedy }
      : { ...found, note: `; ${advice.words.replace(/, and type: jailkit apply$/, "")}${found.note}` };
  }

  #ofSocket({ section, file, lines }: Lines): Instead | undefined {
    if (kindOf(file)?.name !== "jk_socketd" || lines.length === 0) return undefined;
    const jail = this.declared?.jails.get(section.replace(/\/dev\/log$/, ""));
    if (jail?.logSocket === undefined) return undefined;
    const key = "log_socket = 1";
    return jail.logSocket ? byApply("jailkit apply") : inSection(`jail ${jail.path}`, jail.place.file, [key]);
  }

  #ofUser({ section, file, lines }: Lines): Instead | undefined {
    if (!isWritten(file)) return undefined;
    const user = this.declared?.users.get(section);
    const former = this.formerFix(section, file);
    if (user === undefined || !isPlaceOf(user, file))
      return former === undefined || former === "by hand" ? undefined : byApply(former);
    const { policy, shell, place } = user;
    if (policy === undefined && former === undefined) return undefined;
    if (policy !== undefined && !isThere(user, file)) return byApply("jailkit apply");
    const table = isLimitedShell(shell) ? policyKeys : confineKeys;
    // A key that cannot be declared is there by somebody's hand alone, and goes.
    const declarable = lines.filter((line) => typeof describedBy(table, keyOf(line)) === "object");
    return declarable.length === 0
      ? byApply("jailkit apply")
      : inSection(`user ${user.name}`, place.file, declarable);
  }
}

/** Whether such a file has what is declared of a user: else its lines are no reason to change the declaration. */
function isThere(user: DeclaredUser, file: ByteString): boolean {
  const jail = jailOf(file);
  const whole = `${jail ?? ""}${CONFIG_DIRECTORY}/${jail === undefined ? "jk_chrootsh" : "jk_lsh"}.ini`;
  const ini = answered(() => loadConfig(whole, { dialect: "c", jail }));
  const section = ini?.sections.find(({ name }) => name === user.name);
  return section !== undefined && isAsDeclared(section, user);
}

/** Whether the rights of a declared user are in such a file. */
function isPlaceOf({ shell, jail }: DeclaredUser, file: ByteString): boolean {
  return jailOf(file) === (isLimitedShell(shell) ? jail : undefined);
}
