import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath, plainPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { didYouMean, sameNumbers, suggest } from "../cli/suggest.ts";
import { describedBy } from "../config/keys.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import type { IniFile, IniSection } from "../config/model.ts";
import { policyKeys } from "../config/schemas/jails.ts";
import type { ReportFinding } from "../config/separators.ts";
import { NO_SUCH_DIRECTORY } from "../confine/directories.ts";
import type { DeclaredUser } from "../declaration/model.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { below } from "../system/mountinfo.ts";
import { lintChrootsh, lintLsh } from "./accounts.ts";
import type { LintWorld } from "./context.ts";
import { openWorld } from "./world.ts";

/** What is known of a jail. */
interface Known {
  /** Nothing comes into it any more; otherwise it may get what the host has. */
  readonly isWhole: boolean;
  /** Homes that may come, or get something. */
  readonly homes: readonly ByteString[];
  /** What is there now, and goes; undefined if nothing does. */
  readonly goes?: ((path: ByteString) => boolean) | undefined;
}

/**
 * Checks of the rights of declared users, which `jailkit apply` writes into jk_lsh.ini and jk_chrootsh.ini. What is open of a
 * jail is closed before another one is opened, since there may be thousands: ask for the users of a jail one after the other.
 */
export class PolicyLint implements Disposable {
  readonly #opened = new DisposableStack();
  #host: { readonly world: LintWorld | undefined } | undefined;
  #jail: { readonly path: ByteString; readonly world: (LintWorld & Disposable) | undefined } | undefined;

  /** Reports what `jailkit config check` would say of the section of a user, at the lines that declare it. */
  lint(user: DeclaredUser, known: Known, report: ReportFinding): void {
    const section = user.policy && sectionOf(user);
    const world = section && this.#worldOf(user, known);
    if (section === undefined || world === undefined) return;
    const { file } = section;
    const ini: IniFile = { file, dialect: "c", sections: [section], defaults: [], problems: [], texts: [] };
    const byName = new Map([[section.name, section]]);
    const check = isLimitedShell(user.shell) ? lintLsh : lintChrootsh;
    const asked: ReportFinding = (place, severity, code, ...rest) => {
      // An error of the declaration tells it, and what is to be allowed is for the administrator to say.
      if (code !== "no-executables") report(place, severity, code, ...rest);
    };
    check(section, { ini, byName, world, report: asked, reported: new Set() });
  }

  [Symbol.dispose](): void {
    this.#jail?.world?.[Symbol.dispose]();
    this.#opened.dispose();
  }

  #worldOf(
    { jail, shell, home }: DeclaredUser,
    { isWhole, homes, goes = () => false }: Known,
  ): LintWorld | undefined {
    const inside = this.#inside(jail);
    const host = isWhole && isLimitedShell(shell) ? inside : this.#outside();
    const comes = (path: ByteString): boolean =>
      (!isWhole && below(path, jail) === undefined && host?.exists(path) === true) ||
      homes.some((home) => (below(path, home) ?? below(home, path)) !== undefined);
    const world = isLimitedShell(shell) ? (inside ?? host) : host;
    if (world === undefined) return undefined;
    const exists: LintWorld["exists"] = (path, where) =>
      !goes(path) && (world.exists(path, where) || comes(path));
    return {
      ...world,
      meantPath: (path) => meantPath(path, { jail, home }, exists),
      lookUp: (path) => (goes(path) ? undefined : (inside?.lookUp(path) ?? host?.lookUp(path))),
      exists,
      execution: (named, executables) => {
        const view = world.execution(named, executables);
        const lost = named.map(plainPath).filter(goes);
        const leftOut = lost.map((one) => ({ path: one, why: NO_SUCH_DIRECTORY }));
        return view && { ...view, leftOut: [...leftOut, ...view.leftOut] };
      },
      startFault: isWhole ? world.startFault : () => undefined,
      exchangeable: inside === undefined ? () => false : world.exchangeable,
      jailsOf: () => [jail],
    };
  }

  #inside(jail: ByteString): LintWorld | undefined {
    if (this.#jail?.path !== jail) {
      this.#jail?.world?.[Symbol.dispose]();
      this.#jail = { path: jail, world: openIn(jail) };
    }
    return this.#jail.world;
  }

  #outside(): LintWorld | undefined {
    this.#host ??= { world: answered(() => this.#opened.use(openWorld(`${CONFIG_DIRECTORY}/jk_lsh.ini`))) };
    return this.#host.world;
  }
}

/** A path as the machine sees it, or one that is nearly in the home of its user, as the jail has it. */
export function meantPath(
  path: ByteString,
  { jail, home }: Pick<DeclaredUser, "jail" | "home">,
  exists: (path: ByteString) => boolean,
): ReturnType<NonNullable<LintWorld["meantPath"]>> {
  const plain = normalPath(path);
  const inside = below(plain, jail);
  if (inside !== undefined)
    return inside === ""
      ? undefined
      : {
          path: inside,
          why: `; it begins with the path of the jail: write ${quoted(inside)}, as the jail sees it`,
        };
  const [words, wanted] = [plain, normalPath(home)].map((one) => one.split("/").slice(1));
  if (words === undefined || wanted === undefined || words.length < wanted.length) return undefined;
  const isNear = wanted.every((word, at) => {
    const own = words[at] ?? "";
    return own === word || suggest(own, sameNumbers(own, [word])) !== undefined;
  });
  const near = `/${[...wanted, ...words.slice(wanted.length)].join("/")}`;
  return isNear && near !== plain && exists(near)
    ? { path: near, why: didYouMean(plain, [near]) }
    : undefined;
}

/** A jail that is there; undefined for one that cannot be looked at. */
const openIn = (jail: ByteString) => answered(() => openWorld(`${jail}${CONFIG_DIRECTORY}/jk_lsh.ini`));

/** The section, with the lines of the declaration: as they are written, each is in one line. */
function sectionOf({ name, place: { file, line, column, section } }: DeclaredUser): IniSection {
  const isOf = (key: ByteString) => typeof describedBy(policyKeys, key) === "object";
  const entries = (section?.entries ?? []).filter(({ key }) => isOf(key));
  return { name, file, line, column, entries };
}
